"""The families of models, one file each with its configuration beside it."""

from latentlab.models.autoencoder import Autoencoder, AutoencoderConfig
from latentlab.models.hierarchical import Hierarchical, HierarchicalConfig
from latentlab.models.pca import PCA, PCAConfig
from latentlab.models.vae import VAE, VAEConfig

ModelConfig = VAEConfig | AutoencoderConfig | PCAConfig | HierarchicalConfig
Model = VAE | Autoencoder | PCA | Hierarchical

MODELS = {"vae": VAEConfig, "autoencoder": AutoencoderConfig, "pca": PCAConfig, "hierarchical": HierarchicalConfig}

__all__ = [
    "MODELS",
    "PCA",
    "VAE",
    "Autoencoder",
    "AutoencoderConfig",
    "Hierarchical",
    "HierarchicalConfig",
    "Model",
    "ModelConfig",
    "PCAConfig",
    "VAEConfig",
]
