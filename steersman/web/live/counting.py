"""Count everything that a snapshot shows. Loading this module takes a second: `statistics` does it in its thread."""

from collections.abc import Sequence
from dataclasses import replace

from steersman.store.database.connection import Database, reading
from steersman.store.database.task_statistics import (
    count_skips,
    first_slots,
    gold_helpfulness,
    name_tasks,
    over_tasks,
    settled_tasks,
)
from steersman.web.live.cleaning import agreement_of, clean_loaded
from steersman.web.live.loading import Loaded
from steersman.web.live.memory import give_memory_back
from steersman.web.live.people import reports_of
from steersman.web.live.progress import answers_of, deliveries_of, forecast_of, progress_of, throughput_of
from steersman.web.live.queue import queue_of
from steersman.web.live.snapshot import Snapshot


def snapshot_of(engine: Database, loaded: Loaded, *, project_id: str) -> Snapshot:
    """Return everything that is shown of what was loaded."""

    def slots(keys: Sequence[int]) -> dict[int, int]:
        with reading(engine) as connection:
            return first_slots(connection, keys)

    cleaned = clean_loaded(loaded, first_slots=slots)
    agreement = agreement_of(cleaned)
    give_memory_back()
    with reading(engine) as connection:
        return Snapshot(
            project_id=project_id,
            as_of=loaded.as_of,
            cleaned_as_of=loaded.as_of,
            progress=progress_of(loaded.counts),
            deliveries=deliveries_of(loaded.counts),
            answers=answers_of(loaded),
            throughput=throughput_of(loaded),
            forecast=forecast_of(loaded),
            agreement=agreement,
            queue=queue_of(
                loaded,
                cleaned,
                over=over_tasks(connection, project_id),
                settled=settled_tasks(connection, project_id),
                name_tasks=lambda keys: name_tasks(connection, keys),
            ),
            annotators=reports_of(
                loaded,
                cleaned,
                known=gold_helpfulness(connection, project_id),
                skips=count_skips(connection, project_id),
            ),
        )


def recounted(snapshot: Snapshot, loaded: Loaded, *, is_clean: bool) -> Snapshot:
    """Return a snapshot with what takes little time counted anew."""
    return replace(
        snapshot,
        as_of=loaded.as_of,
        cleaned_as_of=loaded.as_of if is_clean else snapshot.cleaned_as_of,
        progress=progress_of(loaded.counts),
        deliveries=deliveries_of(loaded.counts),
        answers=answers_of(loaded),
        throughput=throughput_of(loaded),
        forecast=forecast_of(loaded),
    )
