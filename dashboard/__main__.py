"""`python -m dashboard`: the server of the page. It takes the options of `streamlit run`.

With DASHBOARD_LOG_JSON=true it writes its log as JSON.
"""

import sys
from pathlib import Path

from dashboard import logs


def main() -> None:
    """Serve the page until SIGTERM or Ctrl-C."""
    if logs.wanted():
        logs.take_over()

    from streamlit.web import cli  # noqa: PLC0415 (its import decides at once where it writes its log)

    cli.main(["run", str(Path(__file__).with_name("server.py")), *sys.argv[1:]])


if __name__ == "__main__":
    main()
