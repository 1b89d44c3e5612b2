"""What is asked of models, training and detectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from app.client import shapes
from app.client.asking import Call, Pages, given, listing, place, verb


class ModelVerbs:
    """What finds events, what names them, and how both are learnt."""

    # Models and training.

    @listing
    def models(
        self,
        profile: str | None = None,
        *,
        device: str | None = None,
        page: int = 50,
    ) -> Pages[shapes.Model]:
        """Read the model versions of a profile, or of all, newest first.

        With a `device` only those that are made for it.
        """
        return Pages("/models", page, {"profile": profile, "device": device})

    @verb
    def model(self, version: int) -> Call[shapes.ModelDetail]:
        """Read one model version with its manifest and report."""
        return Call("GET", place("models", version))

    @verb
    def bundle(
        self, version: int, *, detector_version: int | None = None
    ) -> Call[dict[str, Any]]:
        """Read a version with its detector and profile, to run without a service."""
        asked = given(detector_version=detector_version)
        return Call("GET", place("models", version, "bundle"), {"params": asked})

    @verb
    def promote(
        self,
        version: int,
        reason: str,
        *,
        expected: int | None = None,
        device: str | None = None,
    ) -> Call[shapes.Serving]:
        """Make a version the champion; ChampionMoved if `expected` is not it now.

        With a `device` it serves this one only.
        """
        asked = given(expected=expected, device=device)
        said = {"json": {"reason": reason, **asked}}
        return Call("POST", place("models", version, "promote"), said)

    @verb
    def release(self, device: str, reason: str) -> Call[shapes.Serving]:
        """Let a device go by its profile's champion again."""
        said = {"json": {"reason": reason}}
        return Call("POST", place("devices", device, "release"), said)

    @verb
    def report(self, version: int, as_of: str | None = None) -> Call[dict[str, Any]]:
        """Read what a version was worth, as known at a time (RFC 3339)."""
        path = place("models", version, "report")
        return Call("GET", path, {"params": given(as_of=as_of)})

    @verb
    def shadow(self, version: int) -> Call[dict[str, Any]]:
        """Read how a shadow does beside what serves: agreement and accuracy."""
        return Call("GET", place("models", version, "shadow"))

    @verb
    def begin_shadow(self, version: int, reason: str) -> Call[dict[str, Any]]:
        """Let a version answer live events beside the champion, unheard."""
        said = {"json": {"reason": reason}}
        return Call("POST", place("models", version, "shadow"), said)

    @verb
    def end_shadow(self, version: int) -> Call[dict[str, Any]]:
        """End a shadow: the version is what it was before."""
        return Call("DELETE", place("models", version, "shadow"))

    @verb
    def canary(self, version: int) -> Call[dict[str, Any]]:
        """Read how a canary does on its devices, and the champion on the others."""
        return Call("GET", place("models", version, "canary"))

    @verb
    def begin_canary(
        self, version: int, share: float, reason: str
    ) -> Call[dict[str, Any]]:
        """Let a version serve a share of the devices, above 0 and below 1."""
        said = {"json": {"share": share, "reason": reason}}
        return Call("POST", place("models", version, "canary"), said)

    @verb
    def end_canary(self, version: int) -> Call[dict[str, Any]]:
        """End a canary: the champion serves its devices again."""
        return Call("DELETE", place("models", version, "canary"))

    @verb
    def rollback(
        self,
        profile: str,
        reason: str,
        *,
        expected: int | None = None,
        device: str | None = None,
    ) -> Call[shapes.Serving]:
        """Make the champion before the present one the champion again.

        With a `device` it is the model of its own that goes back.
        """
        asked = given(expected=expected, device=device)
        said = {"json": {"reason": reason, **asked}}
        return Call("POST", place("profiles", profile, "rollback"), said)

    @verb
    def history(
        self, profile: str, at: str | None = None, device: str | None = None
    ) -> Call[dict[str, Any]]:
        """Read which version served when, or which one at a time (RFC 3339).

        With a `device`: which was its own.
        """
        path = place("profiles", profile, "history")
        return Call("GET", path, {"params": given(at=at, device=device)})

    @verb
    def classify(
        self, /, profile: str, windows: Sequence[Any], **more: Any
    ) -> Call[list[shapes.Prediction]]:
        """Ask what the champion (or `model_version`, or a `device`'s) says of windows.

        Parameters
        ----------
        windows : sequence of (n_readings, n_channels), arrays or nested lists
        """
        rows = [np.asarray(w, dtype=np.float32).tolist() for w in windows]
        asked = {"profile": profile, "windows": rows, **more}
        return Call("POST", "/classify", {"json": asked}, _predictions)

    @verb
    def retrain(self, /, profile: str, **how: Any) -> Call[shapes.Job]:
        """Ask for a retraining; return the job, the running one if there is one."""
        return Call("POST", "/retrain", {"json": {"profile": profile, **how}})

    @verb
    def mark_gold(
        self, profile: str, events: Sequence[str], *, gold: bool = True
    ) -> Call[dict[str, Any]]:
        """Put labelled events into the gold set, which no model learns, or take out."""
        said = {"json": {"events": list(events), "gold": gold}}
        return Call("POST", place("profiles", profile, "gold"), said)

    @listing
    def gold(self, profile: str) -> Pages[dict[str, Any]]:
        """Read the gold set of a profile with its frozen labels."""
        return Pages(place("profiles", profile, "gold"))

    @verb
    def job(self, job: int | str) -> Call[shapes.Job]:
        """Read how a job stands."""
        return Call("GET", place("jobs", job))

    @listing
    def jobs(self, /, *, page: int = 50, **filters: Any) -> Pages[shapes.Job]:
        """Read jobs, newest first."""
        return Pages("/jobs", page, filters)

    @verb
    def cancel(self, job: int | str) -> Call[shapes.Job]:
        """Ask a job to stop."""
        return Call("DELETE", place("jobs", job))

    @verb
    def import_model(
        self, /, onnx: bytes, profile: str, **about: Any
    ) -> Call[shapes.ModelDetail]:
        """Hand over a model that was trained elsewhere; it serves once promoted."""
        headers = {"Content-Type": "application/octet-stream"}
        asked = {"params": {"profile": profile, **about}, "content": onnx}
        return Call("POST", "/models/import", {**asked, "headers": headers})

    # Detectors.

    @listing
    def detectors(self, profile: str) -> Pages[shapes.Detector]:
        """Read all detector versions of a profile, newest first."""
        return Pages(place("profiles", profile, "detectors"))

    @verb
    def detector(self, profile: str, number: int) -> Call[shapes.Detector]:
        """Read one detector version with its settings and report."""
        return Call("GET", place("profiles", profile, "detectors", number))

    @verb
    def add_detector(
        self, /, profile: str, detector: Mapping[str, Any], **more: Any
    ) -> Call[shapes.Job]:
        """Have settings judged on recordings and kept as a version, as a job."""
        path = place("profiles", profile, "detectors")
        return Call("POST", path, {"json": {"detector": dict(detector), **more}})

    @listing
    def detector_history(
        self, profile: str, *, device: str | None = None
    ) -> Pages[dict[str, Any]]:
        """Read which detector served when, newest first."""
        path = place("profiles", profile, "detectors", "history")
        return Pages(path, None, {"device": device})

    @verb
    def fit_detector(self, /, profile: str, **how: Any) -> Call[shapes.Job]:
        """Learn a detector from labelled boundaries in recordings, as a job."""
        return Call(
            "POST", place("profiles", profile, "detectors", "fit"), {"json": how}
        )

    @verb
    def explore_detector(self, /, profile: str, **what: Any) -> Call[shapes.Job]:
        """Find precision, recall and false alarms over a threshold, as a job."""
        path = place("profiles", profile, "detectors", "explore")
        return Call("POST", path, {"json": what})

    @verb
    def promote_detector(
        self, /, profile: str, number: int, reason: str, **more: Any
    ) -> Call[shapes.DetectorServing]:
        """Let a detector version serve."""
        path = place("profiles", profile, "detectors", number, "promote")
        return Call("POST", path, {"json": {"reason": reason, **more}})

    @verb
    def rollback_detector(
        self, /, profile: str, reason: str, **more: Any
    ) -> Call[shapes.DetectorServing]:
        """Let the detector that served before serve again."""
        path = place("profiles", profile, "detectors", "rollback")
        return Call("POST", path, {"json": {"reason": reason, **more}})

    @listing
    def near_misses(self, /, device: str, **filters: Any) -> Pages[shapes.NearMiss]:
        """Read what nearly was an event of a device, newest first."""
        return Pages("/near-misses", None, {"device": device, **filters})


def _predictions(answer: Any) -> list[shapes.Prediction]:
    return list(answer["predictions"])
