"""The families of models, one file each with its configuration beside it."""

from latentlab.models.adopted import Adopted, AdoptedConfig
from latentlab.models.autoencoder import Autoencoder, AutoencoderConfig
from latentlab.models.conditional import Conditional, ConditionalConfig
from latentlab.models.hierarchical import Hierarchical, HierarchicalConfig
from latentlab.models.lossy import Lossy, LossyConfig
from latentlab.models.pca import PCA, PCAConfig
from latentlab.models.vae import VAE, VAEConfig
from latentlab.models.vq import VQ, VQConfig

ModelConfig = (
    VAEConfig
    | AutoencoderConfig
    | PCAConfig
    | LossyConfig
    | HierarchicalConfig
    | VQConfig
    | ConditionalConfig
    | AdoptedConfig
)
Model = VAE | Autoencoder | PCA | Lossy | Hierarchical | VQ | Conditional | Adopted

MODELS = {
    "vae": VAEConfig,
    "autoencoder": AutoencoderConfig,
    "pca": PCAConfig,
    "lossy": LossyConfig,
    "hierarchical": HierarchicalConfig,
    "vq": VQConfig,
    "conditional": ConditionalConfig,
}

__all__ = [
    "MODELS",
    "PCA",
    "VAE",
    "VQ",
    "Adopted",
    "AdoptedConfig",
    "Autoencoder",
    "AutoencoderConfig",
    "Conditional",
    "ConditionalConfig",
    "Hierarchical",
    "HierarchicalConfig",
    "Lossy",
    "LossyConfig",
    "Model",
    "ModelConfig",
    "PCAConfig",
    "VAEConfig",
    "VQConfig",
]
