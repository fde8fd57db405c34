"""`python -m dashboard`: the page's server. Options are those of `streamlit run` (--server.port).

With DASHBOARD_LOG_JSON=true its log is JSON.
"""

import sys
from pathlib import Path

from dashboard import logs


def main() -> None:
    """Serve the page until SIGTERM or Ctrl-C."""
    if logs.wanted():
        logs.take_over()

    from streamlit.web import cli  # noqa: PLC0415 (it looks at once for where to write its log)

    cli.main(["run", str(Path(__file__).with_name("app.py")), *sys.argv[1:]])


if __name__ == "__main__":
    main()
