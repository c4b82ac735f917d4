"""Sensors that tell people when runs begin to fail and when they work again, one a receiver.

Each receiver has a sensor and a cursor of its own. A message that is not taken fails the look, so
that the cursor stays where it is: the next look tells what is true by then, and nobody else is
told twice.
"""

from datetime import UTC, datetime, timedelta

import dagster as dg

from coupon_pipeline.assets.names import Names
from coupon_pipeline.automation.alert_messages import Message
from coupon_pipeline.automation.alert_state import AlertState, News
from coupon_pipeline.automation.receivers import Receiver, receivers_of
from coupon_pipeline.automation.run_endings import read_endings
from coupon_pipeline.settings import Settings

_EVERY_SECONDS = 60
_LOOK_BACK = timedelta(days=1)
"""What failed before and was not mended is told when alerts are turned on."""


def alert_sensors(settings: Settings) -> list[dg.SensorDefinition]:
    """Those of one connection; none unless the settings name somebody to tell."""
    return [_alert_sensor(settings, receiver) for receiver in receivers_of(settings)]


def _alert_sensor(settings: Settings, receiver: Receiver) -> dg.SensorDefinition:
    names = Names.of(settings)

    @dg.sensor(
        name=names.named(f"alerts_by_{receiver.name}"),
        minimum_interval_seconds=_EVERY_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            "Tells when runs begin to fail or a check does not pass, once a day while it stays, "
            "and when it is over. What is tried again, or passes by itself, is told when it lasts "
            "for 20 minutes. A message that is not taken fails the look and is sent by the next."
        ),
    )
    def evaluate(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        now = datetime.now(UTC)
        before = AlertState.from_text(context.cursor, now - _LOOK_BACK)
        after, news = look_at_runs(context.instance, names, before, now)
        remark = receiver.send(Message.of(settings, news)) if news else None
        if remark is not None:
            context.log.error(remark)
        told = ", ".join(f"{each.kind} {each.code}" for each in news)
        return dg.SensorResult(
            skip_reason=f"Told: {told}. {remark or ''}" if told else "Nothing changed.",
            cursor=after.to_text(),
        )

    return evaluate


def look_at_runs(
    instance: dg.DagsterInstance, names: Names, before: AlertState, now: datetime
) -> tuple[AlertState, list[News]]:
    """What the runs that ended since then changed."""
    reached, endings = read_endings(instance, names, before)
    return reached.after(endings, now)
