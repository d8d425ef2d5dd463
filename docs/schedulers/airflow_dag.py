"""The fleet from Apache Airflow, weekly. Not run here: parsed, and its command checked against `aoai assess` (docs/fleet.md).

Needs apache-airflow 3 with the providers `standard` and `papermill`, and the playbook with its extra `storage` where tasks run.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import yaml
from airflow.providers.papermill.operators.papermill import PapermillOperator
from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

PLAYBOOK = Path("/opt/aoai-playbook")
OUT = "abfs://runs@contososecurity.dfs.core.windows.net/{{ ds }}"

with DAG(
    "azure_openai_assessment",
    schedule="@weekly",
    start_date=datetime(2026, 11, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 3, "retry_delay": timedelta(minutes=5)},
):
    # Sealed runs of all tenants. A retry of Airflow's is a --resume: what was finished is not assessed again.
    assess = BashOperator(
        task_id="assess",
        cwd=str(PLAYBOOK),
        bash_command=f"python -m aoai_lib assess parameters/*.yaml --jobs 4 --resume --out {OUT}",
        append_env=True,
    )
    # One notebook alone, for its reader: it reads its tenant by itself, and leaves no evidence behind.
    for file in sorted((PLAYBOOK / "parameters").glob("*.yaml")):
        PapermillOperator(
            task_id=f"checklist_{file.stem}",
            input_nb=str(PLAYBOOK / "notebooks" / "05_validation_checklist.ipynb"),
            output_nb=f"/var/lib/checklists/{file.stem}-{{{{ ds }}}}.ipynb",
            parameters=yaml.safe_load(file.read_text(encoding="utf-8")),
        )
