"""`python -m solidb_sync.cli`: the same as `solidb-sync`."""

import sys

from solidb_sync.cli.main import main

sys.exit(main())
