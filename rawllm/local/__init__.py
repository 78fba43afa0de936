"""The embedded model behind `rawllm[local]`: its file, and a server on loopback that runs it."""

from .model import SMOLLM2, SYSTEM, ModelInfo, model_path
from .server import LocalServer, installed

__all__ = ["SMOLLM2", "SYSTEM", "LocalServer", "ModelInfo", "installed", "model_path"]
