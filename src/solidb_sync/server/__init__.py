"""The place where devices meet: applies their changes, answers their pulls, rings their doorbells."""
