"""The key that signs passes, for doors that admit while the cloud is away."""

import typer

from cloud.commands import console
from cloud.commands.console import AsJson
from cloud.contract.base import Wire
from cloud.signing import PassSigner

app = typer.Typer(
    no_args_is_help=True,
    help="The key that signs passes, so that doors can check them while the cloud is away.",
)


class SigningKeyPair(Wire):
    """A key pair: the cloud has the private key, and each door has the public key."""

    private_key: str
    public_key: str


class PublicKey(Wire):
    """The public key of the installation."""

    public_key: str


@app.command("create")
def create_signing_key(as_json: AsJson = False) -> None:
    """Make a key pair. Nothing is kept here: put both keys where the text says.

    With a new key, doors take both public keys (EDGE_DOOR_PUBLIC_KEYS=NEW,OLD) until the last pass
    of the old key has expired.
    """
    signer = PassSigner.generate()
    pair = SigningKeyPair(private_key=signer.private_text, public_key=signer.public_text)
    console.show(
        pair,
        as_json,
        "Give the private key to the API and the workers. It is not shown again:\n"
        f"CLOUD_PASS_SIGNING_KEY={pair.private_key}\n"
        "Give the public key to each door:\n"
        f"EDGE_DOOR_PUBLIC_KEYS={pair.public_key}",
    )


@app.command("public")
def show_public_key(as_json: AsJson = False) -> None:
    """Print the public key that belongs to CLOUD_PASS_SIGNING_KEY."""
    signer = PassSigner.of_setting(console.settings().pass_signing_key)
    if signer is None:
        console.refuse(
            "CLOUD_PASS_SIGNING_KEY is not set; `python -m cloud signing-keys create` makes a key"
        )
    console.show(PublicKey(public_key=signer.public_text), as_json, signer.public_text)
