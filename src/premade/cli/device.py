"""`premade device`."""

from typing import Annotated

import typer

from premade.cli.operate import operate
from premade.cli.output import AsJson, show_one, show_rows
from premade.devices.change import list_devices, set_state
from premade.devices.registry import DeviceState

app = typer.Typer(help="Devices of gates: registered by their first request.", no_args_is_help=True)

DeviceNumber = Annotated[int, typer.Argument(help="Number of the device from 'premade device list'.")]


@app.command(name="list", help="List the gate devices, last used first.")
def show(*, as_json: AsJson = False) -> None:
    """List the gate devices, last used first."""
    show_rows(operate(lambda database, _: list_devices(database)), as_json=as_json)


@app.command(help="Revoke a device: it can neither redeem nor upload, and gets no snapshot.")
def revoke(device: DeviceNumber, *, as_json: AsJson = False) -> None:
    """Revoke a device now."""
    _set(device, DeviceState.REVOKED, as_json=as_json)


@app.command(help="Approve a device that is new or was revoked.")
def approve(device: DeviceNumber, *, as_json: AsJson = False) -> None:
    """Approve a device that is new or was revoked."""
    _set(device, DeviceState.APPROVED, as_json=as_json)


def _set(device: int, state: DeviceState, *, as_json: bool) -> None:
    show_one(operate(lambda database, runtime: set_state(database, runtime, device, state)), as_json=as_json)
