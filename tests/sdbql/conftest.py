"""What the tests of the language share stands in modules beside them."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
