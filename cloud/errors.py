"""All that the cloud raises, as one tree.

    CloudError
    ├── CannotStart                 a process lacks what it cannot run without
    ├── BackupUnusable              a file is no backup, or not a whole one
    ├── StoreNotEmpty               a restore would put itself in the place of something
    ├── RehearsalFailed             a visit that was played through did not go as it must
    ├── StoreError
    │   ├── StoreUnavailable        Redis is away, or too slow: try again
    │   └── StoreFault              Redis refused a command, or gave what nobody wrote
    ├── DeliveryError
    │   ├── DeliveryPostponed       not now: try again, after `retry_after_s` where it is given
    │   │   ├── DeliveryThrottled   the other side takes no more for now: this was no try
    │   │   └── ChatMoved           the chat has another id, under which it takes the message
    │   └── DeliveryImpossible      never: the message or the credentials are wrong
    │       └── SubscriberGone      never to this address: its side refuses whatever we send
    └── RequestRefused              the caller's doing; each carries its `ProblemCode`
        ├── MalformedRequest
        ├── BodyTooLarge
        ├── KeyMissing · KeyInvalid · KeyRevoked · KeyExpired
        ├── RoleForbidden · GateForbidden
        ├── GateUnknown · GateRequired · GateExists · GateClosed · GateInUse
        ├── EventUnknown · EventConflict
        ├── PassUnknown · PassOver · UndoRefused
        ├── StaffUnknown · DeliveryUnknown · DeliveryNotFailed
        ├── SubscriberUnknown · KeyUnknown · KeyOver · DeviceUnknown
        ├── TooManyListeners · FormatUnavailable
        ├── EnrolmentCodeInvalid
        ├── RateLimited
        ├── CredentialsInvalid · SessionInvalid · SessionUnknown · CsrfTokenInvalid
        ├── AccountUnknown · AccountExists · PasswordWeak
        └── PreviewUnwanted · PreviewInvalid · PreviewAbsent · PreviewForbidden · PreviewCrowded

Foreign errors are translated at one door each: those of redis at `cloud.store`, those of telegram
at `cloud.notify.telegram`, those of smtplib at `cloud.notify.mail`.
"""

from cloud.contract import ProblemCode


class CloudError(Exception):
    """Anything that the cloud itself raises."""


class CannotStart(CloudError):  # noqa: N818
    """A process lacks what it cannot run without; its text says how to give it that."""


class BackupUnusable(CloudError):  # noqa: N818
    """A file that was given to restore is not a backup, is damaged, or is of a newer version."""


class StoreNotEmpty(CloudError):  # noqa: N818
    """A restore found something in the store, and was not told to replace it."""


class RehearsalFailed(CloudError):  # noqa: N818
    """A visit that was played through from outside did not go as it must; its text says where."""


class StoreError(CloudError):
    """The store did not do as asked."""


class StoreUnavailable(StoreError):  # noqa: N818 (the name is the state, as in the answer's code)
    """Redis cannot be reached, or did not answer in time; nothing is known to be written."""


class StoreFault(StoreError):  # noqa: N818
    """Redis answered, but refused the command or held what no version of the cloud writes."""


class DeliveryError(CloudError):
    """A message did not reach its subscriber."""


class DeliveryPostponed(DeliveryError):  # noqa: N818
    """It may go through later.

    `retry_after_s` is the number of seconds that the other side asked us to wait, if it did.
    """

    def __init__(self, reason: str, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class DeliveryThrottled(DeliveryPostponed):
    """The other side takes no more messages for now (429); it has not looked at this one."""


class ChatMoved(DeliveryPostponed):
    """The group has become a supergroup; `chat` is the id that it has now."""

    def __init__(self, chat: str) -> None:
        super().__init__(f"the chat has moved to {chat}")
        self.chat = chat


class DeliveryImpossible(DeliveryError):  # noqa: N818
    """It will not go through, however often it is tried."""


class SubscriberGone(DeliveryImpossible):
    """This address does not take our messages, whatever they say.

    `at_once` is set where the other side says that this is for ever.
    """

    def __init__(self, reason: str, *, at_once: bool = False) -> None:
        super().__init__(reason)
        self.at_once = at_once


class RequestRefused(CloudError):  # noqa: N818
    """A request that is answered with a problem; its text is for the caller's eyes.

    `retry_after_s` is the number of seconds after which another try may go through, if any will.
    """

    code: ProblemCode

    def __init__(self, reason: str = "", retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class MalformedRequest(RequestRefused):
    """The request breaks the contract in a way that its schema cannot say.

    `where` names the part of the request, as `("query", "since")` does.
    """

    code = ProblemCode.MALFORMED_REQUEST

    def __init__(self, reason: str, where: tuple[str, ...] = ()) -> None:
        super().__init__(reason)
        self.where = where


class BodyTooLarge(RequestRefused):
    """The body is larger than CLOUD_MAX_BODY_BYTES."""

    code = ProblemCode.BODY_TOO_LARGE


class KeyMissing(RequestRefused):
    """No bearer key came with the request."""

    code = ProblemCode.KEY_MISSING


class KeyInvalid(RequestRefused):
    """The key is not one of ours."""

    code = ProblemCode.KEY_INVALID


class KeyRevoked(RequestRefused):
    """The key was ours, and has been taken back."""

    code = ProblemCode.KEY_REVOKED


class KeyExpired(RequestRefused):
    """The key was ours, and its time is over."""

    code = ProblemCode.KEY_EXPIRED


class RoleForbidden(RequestRefused):
    """The key's role may not do this."""

    code = ProblemCode.ROLE_FORBIDDEN


class GateForbidden(RequestRefused):
    """The key is bound to another gate."""

    code = ProblemCode.GATE_FORBIDDEN


class GateUnknown(RequestRefused):
    """There is no such gate."""

    code = ProblemCode.GATE_UNKNOWN


class GateRequired(RequestRefused):
    """The key is bound to no gate, so the request must name one."""

    code = ProblemCode.GATE_REQUIRED


class GateExists(RequestRefused):
    """A gate of that id is there already, or was there."""

    code = ProblemCode.GATE_EXISTS


class GateClosed(RequestRefused):
    """An operator has closed the gate, so no passes are made there."""

    code = ProblemCode.GATE_CLOSED


class GateInUse(RequestRefused):
    """Something is at the gate that would go with it."""

    code = ProblemCode.GATE_IN_USE


class EventUnknown(RequestRefused):
    """There is no such event, or it is past its retention."""

    code = ProblemCode.EVENT_UNKNOWN


class EventConflict(RequestRefused):
    """The id is taken by an event that says something else."""

    code = ProblemCode.EVENT_CONFLICT


class PassUnknown(RequestRefused):
    """There is no such pass, or it is past its retention."""

    code = ProblemCode.PASS_UNKNOWN


class PassOver(RequestRefused):
    """The pass was redeemed, revoked, or has expired."""

    code = ProblemCode.PASS_OVER


class UndoRefused(RequestRefused):
    """The pass is not redeemed, or was so too long ago, by another scanner or another attempt."""

    code = ProblemCode.UNDO_REFUSED


class SubscriberUnknown(RequestRefused):
    """The gate has no such subscriber."""

    code = ProblemCode.SUBSCRIBER_UNKNOWN


class StaffUnknown(RequestRefused):
    """The chat is not paired with the gate."""

    code = ProblemCode.STAFF_UNKNOWN


class DeliveryUnknown(RequestRefused):
    """There is no such delivery, or it is past its retention."""

    code = ProblemCode.DELIVERY_UNKNOWN


class DeliveryNotFailed(RequestRefused):
    """Only what was not delivered can be sent again."""

    code = ProblemCode.DELIVERY_NOT_FAILED


class KeyUnknown(RequestRefused):
    """There is no key of that id."""

    code = ProblemCode.KEY_UNKNOWN


class KeyOver(RequestRefused):
    """The key was revoked, was replaced, or has expired: it does not come back."""

    code = ProblemCode.KEY_OVER


class DeviceUnknown(RequestRefused):
    """There is no such device."""

    code = ProblemCode.DEVICE_UNKNOWN


class EnrolmentCodeInvalid(RequestRefused):
    """The code was never made, has been used, or has expired."""

    code = ProblemCode.ENROLMENT_CODE_INVALID


class TooManyListeners(RequestRefused):
    """This process streams events to as many listeners as it may."""

    code = ProblemCode.TOO_MANY_LISTENERS


class RateLimited(RequestRefused):
    """Too many requests of one key, one address or one account."""

    code = ProblemCode.RATE_LIMITED


class CredentialsInvalid(RequestRefused):
    """Name and password do not belong to an account."""

    code = ProblemCode.CREDENTIALS_INVALID


class SessionInvalid(RequestRefused):
    """The session has ended: by time, by a log-out, or it never was."""

    code = ProblemCode.SESSION_INVALID


class SessionUnknown(RequestRefused):
    """The request came with a key, which has no session."""

    code = ProblemCode.SESSION_UNKNOWN


class CsrfTokenInvalid(RequestRefused):
    """A session asked for a change without the token that proves its page."""

    code = ProblemCode.CSRF_TOKEN_INVALID


class AccountUnknown(RequestRefused):
    """There is no such account."""

    code = ProblemCode.ACCOUNT_UNKNOWN


class AccountExists(RequestRefused):
    """An account of that name is there already."""

    code = ProblemCode.ACCOUNT_EXISTS


class PasswordWeak(RequestRefused):
    """The password is too short, too long, or easily guessed."""

    code = ProblemCode.PASSWORD_WEAK


class PreviewUnwanted(RequestRefused):
    """Nobody watches: the device should stop sending."""

    code = ProblemCode.PREVIEW_UNWANTED


class PreviewInvalid(RequestRefused):
    """Not a JPEG, or one with too many pixels."""

    code = ProblemCode.PREVIEW_INVALID


class PreviewAbsent(RequestRefused):
    """No device of the gate sends pictures."""

    code = ProblemCode.PREVIEW_ABSENT


class PreviewForbidden(RequestRefused):
    """The gate's settings allow no preview."""

    code = ProblemCode.PREVIEW_FORBIDDEN


class PreviewCrowded(RequestRefused):
    """As many people watch this gate as may."""

    code = ProblemCode.PREVIEW_CROWDED


class FormatUnavailable(RequestRefused):
    """This server lacks the library that writes the file format."""

    code = ProblemCode.FORMAT_UNAVAILABLE
