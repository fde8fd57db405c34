"""The job functions, under the names that stand in the queue.

A job in Redis names its function as `cloud.jobs.deliver`. Workers of other versions read the same
queue while an upgrade is under way, so the names stay, wherever the functions live.
"""

from cloud.worker.jobs import deliver, draw_qr, show_acknowledgement, when_failed

__all__ = ["deliver", "draw_qr", "show_acknowledgement", "when_failed"]
