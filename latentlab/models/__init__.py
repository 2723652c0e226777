"""The families of models, one file each with its configuration beside it."""

from latentlab.models.autoencoder import Autoencoder, AutoencoderConfig
from latentlab.models.vae import VAE, VAEConfig

ModelConfig = VAEConfig | AutoencoderConfig
Model = VAE | Autoencoder

MODELS = {"vae": VAEConfig, "autoencoder": AutoencoderConfig}

__all__ = ["MODELS", "VAE", "Autoencoder", "AutoencoderConfig", "Model", "ModelConfig", "VAEConfig"]
