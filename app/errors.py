"""Everything that Onset refuses, in one tree.

    OnsetError
    |-- InvalidInput          what was sent breaks a rule              422, 4400
    |   |-- InvalidProfile    a profile that cannot work
    |   |-- InvalidDetector   detector settings that cannot work
    |   `-- InvalidReadings   wrong channels, wrong shape              4410
    |-- NotFound              no such device, event, model, ...        404, 4404
    |-- Conflict              the request fights the present state     409
    |   |-- Superseded        another connection owns the stream       4409
    |   |-- ChampionMoved     compare-and-set of a promotion lost      412
    |   `-- CannotLearn       this estimator cannot do that            409
    |-- Unauthenticated       no key, or one that is not valid         401, 4401
    |-- Forbidden             the key's role does not reach            403, 4403
    |-- ArtefactError         a model file that must not be served
    |-- Cancelled             a job that was asked to stop
    `-- Unavailable           a thing Onset needs is away              503

Every message names the value and the rule it breaks; none repeats a secret.
"""


class OnsetError(Exception):
    """Root of all errors that Onset raises on purpose."""


class InvalidInput(OnsetError):
    """What was sent breaks a rule that the message names."""


class InvalidProfile(InvalidInput):
    """A profile that cannot work."""


class InvalidDetector(InvalidInput):
    """Detector settings that cannot work."""


class InvalidReadings(InvalidInput):
    """Readings of the wrong shape or with the wrong channels."""


class NotFound(OnsetError):
    """There is no such thing."""


class Conflict(OnsetError):
    """The request fights the present state."""


class Paused(Conflict):
    """Readings of this device are not taken for the time being."""


class Superseded(Conflict):
    """Another connection has taken the stream over."""


class ChampionMoved(Conflict):
    """Somebody promoted another version meanwhile."""


class CannotLearn(Conflict):
    """The estimator cannot be trained in the way that was asked."""


class Unauthenticated(OnsetError):
    """No key, or a key that is not valid."""


class Forbidden(OnsetError):
    """The key is valid, but its role does not reach this."""


class ArtefactError(OnsetError):
    """A model file that must not be served."""


class Cancelled(OnsetError):
    """A job was asked to stop."""


class Unavailable(OnsetError):
    """Something that Onset needs is away for now."""
