"""The MSG-GAN: preprocessing, networks, losses, training, export."""
