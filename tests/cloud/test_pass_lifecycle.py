"""Whatever happens to passes, in whatever order: a model of what they are says what comes of it.

The store is the real one. The clock is the model's: it begins now and is moved by rule alone, and
Redis's own, by which it forgets, stays behind it.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from cloud import gatekeeping
from cloud.contract import Event, Gate, Outcome, PassStatus
from cloud.errors import GateClosed
from cloud.gatekeeping import PassIssuer
from cloud.store import Store, UndoOutcome, now
from cloud.store.admission.passes import UNDO_WINDOW
from tests.cloud import door

Make = Callable[..., Event]
Try = tuple[str, str, str]
"""One attempt at a token: scanner, nonce and gate."""

GATES = st.sampled_from([0, 1])
SCANNERS = st.sampled_from(["left", "right"])
NONCES = st.sampled_from(["nonce-0001", "nonce-0002", "nonce-0003"])
UNDOERS = st.one_of(st.none(), SCANNERS)
"""A scanner undoes what it redeemed itself; None stands for an operator."""


@dataclass
class Model:
    """A pass as it should be."""

    id: UUID
    token: str
    gate: str
    expires_at: datetime
    status: PassStatus = PassStatus.ISSUED
    redeemed_at: datetime | None = None
    redeemed_by: Try | None = None
    answers: dict[Try, Outcome] = field(default_factory=dict)
    admitted: int = 0
    undone: list[Try] = field(default_factory=list)

    def attempt(self, tried: Try, at: datetime, *, closed: bool) -> Outcome:
        if tried not in self.answers:
            self.answers[tried] = self._settle(tried, at, closed=closed)
        return self.answers[tried]

    def _settle(self, tried: Try, at: datetime, *, closed: bool) -> Outcome:
        if tried[2] != self.gate:
            return Outcome.WRONG_GATE
        if self.status is PassStatus.REVOKED:
            return Outcome.REVOKED
        if self.status is PassStatus.REDEEMED:
            return Outcome.ALREADY_REDEEMED
        if at >= self.expires_at:
            return Outcome.EXPIRED
        if closed:
            return Outcome.GATE_CLOSED
        if tried in self.undone:
            return Outcome.UNDONE
        self.status, self.redeemed_at, self.redeemed_by = PassStatus.REDEEMED, at, tried
        self.admitted += 1
        return Outcome.ADMITTED

    def undo(self, scanner: str | None, nonce: str | None, at: datetime) -> UndoOutcome:
        if nonce is None and self.undone:
            return UndoOutcome.NONCE_NEEDED
        if any(nonce == undone and scanner in {None, by} for by, undone, _ in self.undone if nonce):
            return UndoOutcome.REPEATED
        if self.redeemed_at is None or self.redeemed_by is None:
            return UndoOutcome.NOT_REDEEMED
        if nonce not in {None, self.redeemed_by[1]}:
            return UndoOutcome.OTHER_NONCE
        if scanner not in {None, self.redeemed_by[0]}:
            return UndoOutcome.OTHER_SCANNER
        if at - self.redeemed_at > UNDO_WINDOW:
            return UndoOutcome.TOO_LATE
        del self.answers[self.redeemed_by]
        self.undone.append(self.redeemed_by)
        self.status, self.redeemed_at, self.redeemed_by = PassStatus.ISSUED, None, None
        return UndoOutcome.UNDONE

    def shown(self, at: datetime) -> PassStatus:
        over = self.status is PassStatus.ISSUED and at >= self.expires_at
        return PassStatus.EXPIRED if over else self.status


class Passes(RuleBasedStateMachine):
    """Two gates, two scanners that may repeat their attempts, an operator, and a clock."""

    passes: Bundle[Model] = Bundle("passes")

    def __init__(self, store: Store, make_event: Make) -> None:
        super().__init__()
        self.store, self.make_event = store, make_event
        self.began = self.clock = now().replace(microsecond=0)
        self.closed: dict[str, bool] = {}
        # Gates of its own for each run: nothing needs to be thrown away in between.
        for _ in range(2):
            gate = Gate(id=f"g-{uuid4()}", name="A gate", created_at=self.clock)
            assert store.gates.add(gate)
            self.closed[gate.id] = False
        self.models: list[Model] = []

    def gate(self, number: int) -> Gate:
        held = self.store.gates.get(list(self.closed)[number])
        assert held is not None
        return held

    @rule(target=passes, number=GATES, lifetime_s=st.integers(10, 120), by_hand=st.booleans())
    def mint(self, number: int, lifetime_s: int, by_hand: bool) -> Model:
        gate, lifetime = self.gate(number), timedelta(seconds=lifetime_s)
        assume(not gate.closed)
        if by_hand:
            issued = gatekeeping.issue_manual_pass(
                self.store,
                gate,
                PassIssuer("key:desk"),
                reason="the camera is dark",
                lifetime=lifetime,
                now=self.clock,
            )
        else:
            issued = door.accept(
                self.store,
                self.make_event(first_seen_at=self.clock, occurred_at=self.clock),
                gate=gate.id,
                device_id="camera",
                pass_lifetime=lifetime,
                now=self.clock,
            ).decision.issued_pass
        assert issued is not None
        assert issued.expires_at == self.clock + lifetime
        model = Model(issued.id, issued.token, gate.id, issued.expires_at)
        self.models.append(model)
        return model

    @precondition(lambda self: any(self.closed.values()))
    @rule(by_hand=st.booleans())
    def mint_at_a_closed_gate(self, by_hand: bool) -> None:
        gate = self.gate(list(self.closed.values()).index(True))
        if by_hand:
            with pytest.raises(GateClosed):
                gatekeeping.issue_manual_pass(
                    self.store,
                    gate,
                    PassIssuer("key:desk"),
                    reason="the camera is dark",
                    lifetime=timedelta(minutes=1),
                    now=self.clock,
                )
            return
        decision = door.accept(
            self.store,
            self.make_event(first_seen_at=self.clock, occurred_at=self.clock),
            gate=gate.id,
            device_id="camera",
            pass_lifetime=timedelta(minutes=1),
            now=self.clock,
        ).decision
        assert decision.issued_pass is None

    @rule(model=passes, number=GATES, scanner=SCANNERS, nonce=NONCES)
    def redeem(self, model: Model, number: int, scanner: str, nonce: str) -> None:
        gate = self.gate(number)
        said = door.redeem(
            self.store,
            scanned=model.token,
            nonce=nonce,
            gate=gate.id,
            key_id=scanner,
            now=self.clock,
        )
        repeated = (scanner, nonce, gate.id) in model.answers
        wanted = model.attempt((scanner, nonce, gate.id), self.clock, closed=self.closed[gate.id])
        assert said.outcome is wanted
        assert said.pass_id == model.id
        assert said.at <= self.clock if repeated else said.at == self.clock
        if said.outcome is Outcome.ADMITTED:
            assert (said.redeemed_at, said.redeemed_gate) == (said.at, model.gate)

    @rule(model=passes, number=GATES)
    def redeem_where_it_belongs(self, model: Model, number: int) -> None:
        """Most attempts are such; without a rule of their own, few runs would get past them."""
        at = list(self.closed).index(model.gate)
        self.redeem(model, at, "left", f"nonce-{1 + number:04}")

    @rule(number=GATES, token=st.text("123456789ABC", min_size=13, max_size=13), nonce=NONCES)
    def redeem_what_was_never_made(self, number: int, token: str, nonce: str) -> None:
        said = door.redeem(
            self.store,
            scanned=token,
            nonce=nonce,
            gate=self.gate(number).id,
            key_id="left",
            now=self.clock,
        )
        assert said.outcome is Outcome.UNKNOWN

    @rule(model=passes, scanner=UNDOERS, nonce=st.one_of(st.none(), NONCES))
    def undo(self, model: Model, scanner: str | None, nonce: str | None) -> None:
        held = self.store.passes.get(model.id)
        assert held is not None
        undoing = self.store.passes.undo(held, scanner, self.clock, nonce)
        assert undoing is model.undo(scanner, nonce, self.clock)

    @precondition(lambda self: any(model.redeemed_at for model in self.models))
    @rule(scanner=UNDOERS, named=st.booleans())
    def undo_the_last_redemption(self, scanner: str | None, named: bool) -> None:
        """Most undoings are such, as most redemptions are where they belong."""
        redeemed = [model for model in self.models if model.redeemed_at is not None]
        model = max(redeemed, key=lambda model: model.redeemed_at or self.began)
        assert model.redeemed_by is not None
        self.undo(model, scanner, model.redeemed_by[1] if named else None)

    @precondition(lambda self: any(model.undone for model in self.models))
    @rule(scanner=UNDOERS)
    def undo_again(self, scanner: str | None) -> None:
        """The request of an undoing comes again."""
        model = next(model for model in self.models if model.undone)
        self.undo(model, scanner, model.undone[-1][1])

    @rule(model=passes)
    def revoke(self, model: Model) -> None:
        revoked = self.store.passes.revoke(model.id, self.clock)
        assert revoked is (model.status is PassStatus.ISSUED)
        if revoked:
            model.status = PassStatus.REVOKED

    @rule(number=GATES)
    def close_or_open(self, number: int) -> None:
        gate = self.gate(number)
        changed = self.store.gates.change(gate.id, {"closed": not gate.closed})
        assert changed is not None
        self.closed[gate.id] = changed.closed

    @rule(seconds=st.integers(1, 70))
    def wait(self, seconds: int) -> None:
        self.clock += timedelta(seconds=seconds)

    @invariant()
    def each_pass_admits_once_for_each_undoing_and_once_more(self) -> None:
        for model in self.models:
            assert model.admitted - len(model.undone) == (model.status is PassStatus.REDEEMED)
            held = self.store.passes.get(model.id)
            assert held is not None
            record = held.record(self.clock)
            assert record.status is model.shown(self.clock)
            assert record.redeemed_at == model.redeemed_at

    def teardown(self) -> None:
        """What was counted is what is redeemed, undone ones left out."""
        redeemed = Counter(
            model.gate for model in self.models if model.status is PassStatus.REDEEMED
        )
        until = self.clock + timedelta(minutes=15)
        for gate in self.closed:
            tallies = self.store.statistics.quarters(
                gate, self.began - timedelta(minutes=15), until
            )
            assert sum(tally.redeemed for tally in tallies) == redeemed[gate]


def test_passes_do_what_the_model_says(store: Store, make_event: Make) -> None:
    run_state_machine_as_test(
        lambda: Passes(store, make_event),  # type: ignore[arg-type]  # it takes a factory, too
        settings=settings(
            max_examples=40,
            stateful_step_count=30,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
