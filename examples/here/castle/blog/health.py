"""Whether this replica answers and reaches its database; exit status 0 or 1."""

import sys
import urllib.error
import urllib.request

try:
    urllib.request.urlopen("http://127.0.0.1:8000/health", timeout=2)
except (urllib.error.URLError, OSError) as error:
    sys.exit(f"blog: {error}")
