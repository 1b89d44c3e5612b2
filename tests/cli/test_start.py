"""A killed service is back soon: it loads nothing that it does not serve with."""

import subprocess
import sys


def test_a_service_starts_without_what_only_training_and_tests_of_evidence_need():
    code = "import sys; from app import cli; cli.build(['serve']); print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    loaded = set(run.stdout.decode().split())
    assert not loaded & {"scipy.stats", "sklearn", "skl2onnx", "joblib", "alembic"}
