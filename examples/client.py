"""Asks a server for images: `python client.py http://127.0.0.1:8501`.

The server is `msg-gan serve` or TensorFlow Serving with the model named `msg_gan`.
Copy it: it needs Python alone.
"""

import json
import sys
import urllib.request


def sample(server: str, num_images: int, seed: int) -> list:
    """Images `[num_images][28][28][1]` in [-1, 1]."""
    body = {
        "signature_name": "sample",
        "inputs": {"num_images": num_images, "seed": seed},
    }
    request = urllib.request.Request(
        f"{server}/v1/models/msg_gan:predict",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)["outputs"]["image_28"]


if __name__ == "__main__":
    shades = " .:-=+*#%@"
    (image,) = sample(sys.argv[1], num_images=1, seed=1)
    for row in image:
        print("".join(shades[round((value + 1) / 2 * 9)] for (value,) in row))
