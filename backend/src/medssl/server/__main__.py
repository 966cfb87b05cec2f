"""`python -m medssl.server`: the server, started quickly."""

import gc
import sys

gc.disable()  # until it serves: nothing of what is imported and built is garbage, and looking for some takes a tenth of a second

from medssl.server.serve import main  # noqa: E402

sys.exit(main())
