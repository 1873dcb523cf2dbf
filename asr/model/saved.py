"""A bundle's model in torch, for what its graphs keep to themselves: attention, gradients, further training."""

from safetensors import SafetensorError
from safetensors.torch import load_file

from asr.bundle import WEIGHTS, Bundle
from asr.errors import BundleError
from asr.model.seq2seq import Seq2Seq
from asr.model.settings import ModelSettings


def load_model(bundle: Bundle) -> Seq2Seq:
    """The model of a bundle, in single precision on the CPU and without dropout; its numbers are those of the graphs.

    Raises BundleError for weights that cannot be read or do not fit the bundle's settings, SettingsError for
    dimensions that make no model.
    """
    path = bundle.folder / WEIGHTS
    model = Seq2Seq(ModelSettings.from_dict(dict(bundle.model)), bundle.features.dimension, bundle.tokenizer.vocabulary)
    try:
        model.load_state_dict({name: weight.float() for name, weight in load_file(path).items()})
    except (OSError, SafetensorError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[-1].strip()
        raise BundleError(f"{path}: the weights do not fit the bundle ({reason}); export the model again") from error
    return model.eval()
