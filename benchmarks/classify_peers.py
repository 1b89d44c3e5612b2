"""How others serve a fitted forest: the files of each, PORT0 to PORT2 its ports."""

READY_SECONDS = 90

BARE = {
    "serve.py": """
import joblib, numpy, uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

app, forest = FastAPI(), joblib.load("forest.joblib")

class Asked(BaseModel):
    features: list[float]

@app.post("/predict")
def predict(asked: Asked):
    said = forest.predict_proba(numpy.array([asked.features], numpy.float32))[0]
    best = int(said.argmax())
    return {"label": str(forest.classes_[best]), "probability": float(said[best])}

uvicorn.run(app, port=PORT0, log_level="error")
"""
}

LITSERVE = {
    "serve.py": """
import joblib, numpy, litserve

class Forest(litserve.LitAPI):
    def setup(self, device):
        self.forest = joblib.load("forest.joblib")

    def decode_request(self, request):
        return numpy.array(request["features"], numpy.float32)

    def batch(self, inputs):
        return numpy.stack(inputs)

    def predict(self, rows):
        return self.forest.predict_proba(rows)

    def unbatch(self, said):
        return list(said)

    def encode_response(self, said):
        best = int(said.argmax())
        label = str(self.forest.classes_[best])
        return {"label": label, "probability": float(said[best])}

if __name__ == "__main__":
    api = Forest(max_batch_size=64, batch_timeout=0.002)
    litserve.LitServer(api, accelerator="cpu").run(
        host="127.0.0.1", port=PORT0, log_level="error", generate_client_file=False
    )
"""
}

MLSERVER = {
    "settings.json": """
{"host": "127.0.0.1", "http_port": PORT0, "grpc_port": PORT1, "metrics_port": PORT2,
 "parallel_workers": 0, "debug": false}
""",
    "model-settings.json": """
{"name": "forest", "implementation": "mlserver_sklearn.SKLearnModel",
 "parameters": {"uri": "./forest.joblib"}}
""",
    "serve.py": """
import sys
from mlserver.cli.main import main

sys.argv = ["mlserver", "start", "."]
main()
""",
}
