"""The errors of the edge, as one tree.

    EdgeError
    ├── SettingsError                a setting is missing or out of range
    ├── SourceError                  the camera, the video, the folder of pictures
    │   ├── SourceMissingError       does not exist
    │   ├── SourceUnreadableError    exists, but cannot be opened or decoded
    │   └── SourceEmptyError         was opened, but holds no frame
    ├── ModelError                   a model cannot be used
    │   ├── ModelMissingError        its file or its manifest does not exist
    │   ├── ModelAlteredError        its SHA-256 is not the manifest's
    │   ├── ModelUnfitError          its file is whole, but this software cannot run it
    │   └── ModelUpdateError         an update from afar failed
    ├── OutboxError                  the durable queue
    │   ├── OutboxFullError          the disk is full
    │   ├── OutboxBusyError          another process writes to the outbox
    │   ├── OutboxDamagedError       the database is damaged
    │   ├── OutboxEditionError       another version of this software wrote the database
    │   ├── OutboxUnwritableError    the folder or the disk cannot be written
    │   ├── EventDroppedError        an event made way because the outbox has reached its limit
    │   └── EventUnreadableError     what the outbox holds is no event
    ├── LedgerError                  the used passes of a door, or of a site's hub
    ├── HubUnreachableError          the hub of a site does not answer
    ├── NotEnrolledError             this device has no key yet, or the key's file is damaged
    └── CloudError                   the API
        ├── CloudUnreachableError    no answer, or a failure that a later attempt may not meet
        ├── KeyRefusedError          the API does not accept this device's key
        ├── PackageGoneError         the cloud no longer has the model package
        ├── PreviewUnwantedError     nobody watches, or previews are forbidden
        ├── EnrolmentRefusedError    the API does not accept the enrolment code
        └── EventRejectedError       the API will never accept this event

Each error names what is wrong (`problem`), and says how to mend it (`mend`).
"""


class EdgeError(Exception):
    """Base of all errors that the edge raises on purpose.

    Args:
        problem: What is wrong, with the name of the file, setting or address.
        mend: What a person can do to mend it; may be empty.
    """

    def __init__(self, problem: str, mend: str = "") -> None:
        self.problem = problem
        self.mend = mend
        super().__init__(problem, mend)

    def __str__(self) -> str:
        return f"{self.problem}. {self.mend}" if self.mend else self.problem


class SettingsError(EdgeError):
    """A setting is missing, malformed or out of range."""


class SourceError(EdgeError):
    """The source of frames cannot be used."""


class SourceMissingError(SourceError):
    """The device, file or folder does not exist."""


class SourceUnreadableError(SourceError):
    """The source exists, but cannot be opened or decoded."""


class SourceEmptyError(SourceError):
    """The source was opened, but holds no frame."""


class ModelError(EdgeError):
    """A model cannot be used."""


class ModelMissingError(ModelError):
    """A model's file or its manifest does not exist."""


class ModelAlteredError(ModelError):
    """The SHA-256 of a model's file is not the one in the manifest or sidecar."""


class ModelUnfitError(ModelError):
    """This software cannot run the model: it is of another kind, or lacks metadata."""


class ModelUpdateError(ModelError):
    """A model update from afar failed.

    Args:
        name: Of the failure, as the heartbeat reports it.
        problem: What is wrong, for people.
    """

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(problem)
        self.name = name


class OutboxError(EdgeError):
    """The durable queue cannot be used."""


class OutboxFullError(OutboxError):
    """The disk has no space for another event."""


class OutboxBusyError(OutboxError):
    """Another process writes to the outbox."""


class OutboxDamagedError(OutboxError):
    """The database is damaged, or is no database."""


class OutboxEditionError(OutboxError):
    """Another version of this software wrote the database."""


class OutboxUnwritableError(OutboxError):
    """The folder or the disk cannot be written."""


class EventDroppedError(OutboxError):
    """An event made way because the outbox has reached its limit of size or age."""


class EventUnreadableError(OutboxError):
    """What the outbox holds is no event."""


class LedgerError(EdgeError):
    """The list of used passes cannot be read or written."""


class HubUnreachableError(EdgeError):
    """The hub of the site does not answer, or refuses the key."""


class NotEnrolledError(EdgeError):
    """This device has no key yet, or the file that holds it is damaged."""


class CloudError(EdgeError):
    """The API did not do what the edge asked for."""


class CloudUnreachableError(CloudError):
    """No answer came, or a failure that a later attempt may not meet.

    Args:
        problem: As in `EdgeError`.
        mend: As in `EdgeError`.
        retry_after_s: Seconds that the API asked to wait (RFC 9110 section 10.2.3); None if it
            did not ask.
    """

    def __init__(self, problem: str, mend: str = "", *, retry_after_s: float | None = None) -> None:
        super().__init__(problem, mend)
        self.retry_after_s = retry_after_s


class KeyRefusedError(CloudError):
    """The API does not accept this device's key: the key is wrong, revoked, or of another role."""


class PreviewUnwantedError(CloudError):
    """Nobody watches, or the gate's settings forbid previews."""


class PackageGoneError(CloudError):
    """The cloud no longer has the model package."""


class EnrolmentRefusedError(CloudError):
    """The enrolment code is unknown, used or expired."""


class EventRejectedError(CloudError):
    """The API will never accept this event, however often it is sent.

    Args:
        problem: As in `EdgeError`.
        mend: As in `EdgeError`.
        code: The problem's stable code (`cloud.contract.ProblemCode`).
    """

    def __init__(self, problem: str, mend: str = "", *, code: str) -> None:
        super().__init__(problem, mend)
        self.code = code
