"""Everything that can go wrong at the edge, as one tree.

    EdgeError
    ├── SettingsError                a setting is missing or out of range
    ├── SourceError                  the camera, the video, the folder of pictures
    │   ├── SourceMissingError       it is not there
    │   ├── SourceUnreadableError    it is there and cannot be opened or decoded
    │   └── SourceEmptyError         it opened and holds no frame
    ├── ModelError                   a model refuses to start
    │   ├── ModelMissingError        no such file, or no manifest beside it
    │   ├── ModelAlteredError        its SHA-256 is not the manifest's
    │   └── ModelUnfitError          it is whole, but not what this software can run
    ├── OutboxError                  the durable queue
    │   ├── OutboxFullError          the disk is full
    │   ├── OutboxBusyError          another process writes to it
    │   └── OutboxDamagedError       it cannot be read or written
    ├── NotEnrolledError             this device has no key yet, or its file is damaged
    └── CloudError                   the API
        ├── CloudUnreachableError    no answer, or one that a later attempt may better
        ├── KeyRefusedError          the API does not accept this device's key
        ├── PreviewUnwantedError     nobody watches, or nobody may
        ├── EnrolmentRefusedError    the API does not accept the enrolment code
        └── EventRejectedError       the API will never accept this event

Each error says what is wrong and names the thing (`problem`), and how to mend it (`mend`).
"""


class EdgeError(Exception):
    """Base of all errors that the edge raises on purpose.

    Args:
        problem: What is wrong, with the name of the file, setting or address.
        mend: What a person can do about it; may be empty.
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
    """There is no such device, file or folder."""


class SourceUnreadableError(SourceError):
    """The source exists, but cannot be opened or decoded."""


class SourceEmptyError(SourceError):
    """The source opened, and holds no frame at all."""


class ModelError(EdgeError):
    """A model refuses to start."""


class ModelMissingError(ModelError):
    """A model's file or its manifest is not there."""


class ModelAlteredError(ModelError):
    """A model's file is not the one that the manifest vouches for."""


class ModelUnfitError(ModelError):
    """A model that this software cannot run: of another kind, or without the keys it needs."""


class OutboxError(EdgeError):
    """The durable queue cannot be used."""


class OutboxFullError(OutboxError):
    """No space is left for another event."""


class OutboxBusyError(OutboxError):
    """Another process is the outbox's writer."""


class OutboxDamagedError(OutboxError):
    """The database cannot be opened, read or written."""


class NotEnrolledError(EdgeError):
    """This device has no key yet, or the file that holds it is damaged."""


class CloudError(EdgeError):
    """The API did not do what it was asked."""


class CloudUnreachableError(CloudError):
    """No answer, or one that a later attempt may better.

    Args:
        problem: As in `EdgeError`.
        mend: As in `EdgeError`.
        retry_after_s: Seconds that the API asked to wait (RFC 9110 section 10.2.3), if it did.
    """

    def __init__(self, problem: str, mend: str = "", *, retry_after_s: float | None = None) -> None:
        super().__init__(problem, mend)
        self.retry_after_s = retry_after_s


class KeyRefusedError(CloudError):
    """The API does not accept this device's key: it is wrong, revoked, or of another role."""


class PreviewUnwantedError(CloudError):
    """Nobody watches, or the gate's settings allow it no more."""


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
