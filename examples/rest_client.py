"""Requests images from TensorFlow Serving over REST: `python rest_client.py --help`.

Works with `msg-gan serve` too. Meant to be copied: it needs only Python.
"""

import argparse
import http.client
import json
import urllib.error
import urllib.parse
import urllib.request


def predict(server: str, model: str, signature: str, inputs: dict) -> dict:
    """Calls a signature.

    Args:
      server: URL, such as `http://127.0.0.1:8501`.
      model: Name of the model on the server.
      signature: `sample` or `serving_default`; `sample_class` or `classes` if the
        model is conditional.
      inputs: Inputs of the signature by name.

    Returns:
      `image_7`, `image_14` and `image_28`, each a nested list
      `[num_images][size][size][1]` of values in [-1, 1]; `classes` returns `names` and
      `shares`, of all classes for `{"labels": []}`.

    Raises:
      RuntimeError: If the server is unreachable or returns an error.
      ValueError: If an input is NaN or infinite.
    """
    body = {"signature_name": signature, "inputs": inputs}
    request = urllib.request.Request(
        f"{server}/v1/models/{urllib.parse.quote(model, safe='')}:predict",
        json.dumps(body, allow_nan=False).encode(),
        {"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)["outputs"]
    except urllib.error.HTTPError as e:
        text = e.read().decode(errors="replace")
        try:
            reason = json.loads(text)["error"]
        except (KeyError, TypeError, ValueError):
            reason = text[:200]
        raise RuntimeError(f"{server} answers {e.code}: {reason}") from e
    except OSError as e:
        reason = getattr(e, "reason", e)
        raise RuntimeError(f"{server} cannot be reached: {reason}") from e
    except (http.client.HTTPException, KeyError, TypeError, ValueError) as e:
        reason = "does not answer as TensorFlow Serving's REST port does"
        raise RuntimeError(f"{server} {reason}: {e!r}") from e


def sample(
    server: str, model: str, num_images: int, seed: int, label: int | None = None
) -> dict:
    """Generates the images of a seed, or of a seed and a class; see `predict`."""
    inputs = {"num_images": num_images, "seed": seed}
    if label is None:
        return predict(server, model, "sample", inputs)
    return predict(server, model, "sample_class", {**inputs, "label": label})


def generate(
    server: str, model: str, latents: list, labels: list | None = None
) -> dict:
    """Generates images from latents `[num_images][latent_dim]`; see `predict`.

    A conditional model needs labels `[num_images]`, numbers of classes.
    """
    inputs = {"latents": latents}
    if labels is not None:
        inputs["labels"] = labels
    return predict(server, model, "serving_default", inputs)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Prints an image of a served model.")
    parser.add_argument("server", nargs="?", default="http://127.0.0.1:8501")
    parser.add_argument("--model", default="msg_gan", help="its name on the server")
    parser.add_argument("--seed", type=int, default=1, help="the image to draw")
    parser.add_argument("--latents", type=json.loads, help="instead: '[0.5, -1, ...]'")
    parser.add_argument("--label", type=int, help="class of a conditional model")
    args = parser.parse_args()
    labels = None if args.label is None else [args.label]
    try:
        if args.latents is None:
            images = sample(args.server, args.model, 1, args.seed, args.label)
        else:
            images = generate(args.server, args.model, [args.latents], labels)
    except (RuntimeError, ValueError) as e:
        parser.exit(1, f"error: {e}\n")
    shades = " .:-=+*#%@"
    for row in images["image_28"][0]:
        print("".join(shades[round((value + 1) / 2 * 9)] for (value,) in row))
