"""A page on which a person looks around in the latent space of a generator."""
