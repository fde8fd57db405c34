"""Which role may call which operation."""

from typing import Final

from cloud.contract import Role

_OPERATORS: Final = frozenset({Role.OPERATOR, Role.ADMIN})
_VIEWERS: Final = _OPERATORS | {Role.VIEWER}
_SCREENS: Final = _VIEWERS | {Role.KIOSK}
_DEVICES: Final = frozenset({Role.DEVICE})
_ADMINS: Final = frozenset({Role.ADMIN})
_EVERYBODY: Final = frozenset(Role)
_PEOPLE: Final = _EVERYBODY - _DEVICES

ROLES: Final = {
    "post_event": _DEVICES,
    "send_heartbeat": _DEVICES,
    "list_events": _SCREENS,
    "stream_events": _SCREENS,
    "export_events": _VIEWERS,
    "get_event": _SCREENS,
    "acknowledge_event": _OPERATORS,
    "redeem_pass": _OPERATORS | {Role.SCANNER},
    "list_redemptions": _VIEWERS,
    "list_passes": _VIEWERS,
    "get_pass": _SCREENS,
    "undo_redemption": _OPERATORS | {Role.SCANNER},
    "revoke_pass": _OPERATORS,
    "get_pass_qr_svg": _OPERATORS | {Role.KIOSK},
    "get_pass_qr_png": _OPERATORS | {Role.KIOSK},
    "list_devices": _VIEWERS,
    "change_device": _OPERATORS,
    "revoke_device": _OPERATORS,
    "list_gates": _SCREENS,
    "create_gate": _OPERATORS,
    "change_gate": _OPERATORS,
    "delete_gate": _ADMINS,
    "create_pass": _OPERATORS,
    "create_enrolment_code": _OPERATORS,
    "create_screen": _SCREENS,
    "list_screens": _VIEWERS,
    "revoke_screen": _OPERATORS,
    "confirm_screen": _OPERATORS,
    "create_screen_link": _OPERATORS,
    "stream_screen": _SCREENS,
    "list_subscribers": _VIEWERS,
    "create_subscriber": _OPERATORS,
    "change_subscriber": _OPERATORS,
    "delete_subscriber": _OPERATORS,
    "test_subscriber": _OPERATORS,
    "roll_subscriber_secret": _OPERATORS,
    "get_visitor_link": _SCREENS,
    "replace_visitor_link": _OPERATORS,
    "create_pairing_code": _OPERATORS,
    "list_staff": _VIEWERS,
    "delete_staff": _OPERATORS,
    "list_deliveries": _VIEWERS,
    "resend_delivery": _OPERATORS,
    "read_statistics": _VIEWERS,
    "get_own_key": _EVERYBODY,
    "list_keys": _ADMINS,
    "create_key": _ADMINS,
    "change_key": _ADMINS,
    "revoke_key": _ADMINS,
    "list_audit": _ADMINS,
    "list_commands": _DEVICES,
    "get_own_settings": _DEVICES,
    "roll_own_key": _DEVICES,
    "put_preview": _DEVICES,
    "roll_device_key": _OPERATORS,
    "reload_device": _OPERATORS,
    "add_model": _OPERATORS,
    "list_models": _VIEWERS,
    "delete_model": _OPERATORS,
    "get_model": _DEVICES,
    "update_device_model": _OPERATORS,
    "roll_back_device_model": _OPERATORS,
    "put_own_log": _DEVICES,
    "request_device_log": _OPERATORS,
    "get_device_log": _OPERATORS,
    "get_gate_settings": _VIEWERS,
    "set_gate_settings": _OPERATORS,
    "get_preview": _VIEWERS,
    "stream_preview": _VIEWERS,
    "list_accounts": _ADMINS,
    "create_account": _ADMINS,
    "delete_account": _ADMINS,
    "set_password": _ADMINS,
    "get_session": _PEOPLE,
    "end_session": _PEOPLE,
    "end_all_sessions": _PEOPLE,
    "change_own_password": _PEOPLE,
}
"""Operation → roles. An operation that asks for a caller and is not in it stops the API's start.

A kiosk may read the events and the passes of its gate: it must learn which code to show.
"""

OF_SESSIONS: Final = frozenset(
    {"get_session", "end_session", "end_all_sessions", "change_own_password"}
)
"""What a key of the right role may call, and is told that it has no session."""

OF_NO_GATE: Final = frozenset({"create_gate", "delete_gate", "add_model", "delete_model"})
"""What takes a caller that is bound to no gate."""
