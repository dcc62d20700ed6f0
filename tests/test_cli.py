"""The command line as people meet it: what it prints, how it ends, and how it says no."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from slt.cli import main
from slt.storage.files import FORMAT

TINY = [
    "experiment=two_bump",
    "training.seeds=4",
    "training.steps=50",
    "posterior.sample_sizes=[5000,10000,11000]",
]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A directory with two finished runs, a failed one, a half-written one, and one that cannot be read."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["run", *TINY]) == 0
        assert main([*TINY, "training.seeds=5", "name=other"]) == 0
        failing = ["training.seeds=2", "training.steps=20", "training.optimizer.learning_rate=1e9"]
        assert main(["run", *failing, "posterior=null", "name=failing"]) == 1
    (folder / "runs/runs/half-12345678").mkdir()
    (folder / "runs/runs/spoilt-12345678").mkdir()
    (folder / "runs/runs/spoilt-12345678/manifest.json").write_text("{")
    (folder / "foreign").mkdir()
    config = {"model": {"_target_": "os.system", "command": "touch executed"}}
    manifest = {
        "format": FORMAT,
        "kind": "run",
        "name": "foreign",
        "hash": "0" * 8,
        "status": "done",
        "config": config,
    }
    (folder / "foreign/manifest.json").write_text(json.dumps(manifest | {"provenance": {}, "stages": {}}))
    (folder / "former").mkdir()
    (folder / "former/manifest.json").write_text(json.dumps(manifest | {"format": FORMAT - 1}))
    (folder / "empty").mkdir()
    (folder / "a_file").write_text("not a directory")
    return folder


@pytest.fixture
def at_home(home, monkeypatch):
    monkeypatch.chdir(home)
    return home


WRONG = [
    (["rnu"], "no command 'rnu'"),
    (["run", "--frce", "x"], "no option --frce"),
    (["run", "training"], "not a valid override"),
    (["run", "model=superpositon"], "superposition"),
    (["run", "optimizer=adm"], "adam"),
    (["run", "sampler=nutz"], "nuts"),
    (["run", "experiment=two_bumps"], "two_bump"),
    (["run", "sed=3"], "Did you mean 'seed'"),
    (["run", "llc=minibatch", "llc.estimator.control_variate_siz=2"], "Did you mean 'control_variate_size'"),
    (["run", "llc=minibatch", "llc.refined.head=2"], "write +llc.refined.head=VALUE"),
    (["run", "llc=minibatch", "+llc.refined.head=2"], "must hold the options of Refinement"),
    (["run", "llc=minibatch", "+llc.refined.head={weights: [V]}"], "no parameter is called 'V'"),
    (["run", "llc=minibatch", "+llc.refined.head={slice: late}"], "no slices of data"),
    (["run", "experiment=induction", "+llc.refined.a={slice: late}"], "slice must be one of"),
    (["run", "experiment=icl_stages", "model.heads=5"], "width must be a multiple of heads"),
    (["run", "training.sedes=3"], "Did you mean 'seeds'"),
    (["run", "training.optimizer.learning_rat=3"], "learning_rate"),
    (["run", "training.seeds=many"], "whole number"),
    (["run", "training.seeds=0"], "at least 1"),
    (["run", "training.seeds=-3"], "at least 1"),
    (["run", "training.batch_size=2000"], "batch_size = 2000"),
    (["run", "model.features=abc"], "model.features"),
    (["run", "model.hidden=9"], "hidden must lie between 1 and features"),
    (["run", "posterior.sample_sizes=[5,3]"], "must increase"),
    (["run", "posterior.sample_sizes=[0]"], "at least 1"),
    (["run", "posterior.sample_sizes=5"], "posterior.sample_sizes"),
    (["run", "seed=abc"], "seed"),
    (["run", "training=null", "posterior=null"], "both null"),
    (["run", "name=a/b"], "name labels a directory"),
    (["run", "--force", "trainig", *TINY], "Did you mean 'training'"),
    (["run", "--dry-run", "--force", "trainig", *TINY], "Did you mean 'training'"),
    (["run", "--config-dir", "nowhere"], "nowhere"),
    (["run", "sampler=quadrature", "training=null", "posterior.sample_sizes=[10]"], "one or two parameters"),
    (["run", "training.seeds=[1,"], "training.seeds"),
    (["run", "-m", "training.seeds=1,2", "store=a_file"], "store=DIR"),
    (["run", "-m", "training.sedes=1,2"], "Did you mean 'seeds'"),
    (["run", "model=null"], "model=null: what stands here is the name of a preset"),
    (["models", "superpositon"], "Did you mean 'superposition'"),
    (["models", "superposition", "model.features=x"], "model.features"),
    (["show"], "RUN"),
    (["show", "nothing"], "no run is called 'nothing'"),
    (["show", "two_bum", "extra"], "extra"),
    (["show", "empty"], "is not a run"),
    (["show", "half-12345678"], "is not a run"),
    (["show", "runs/runs/half-12345678"], "is not a run"),
    (["show", "spoilt-12345678"], "cannot be read"),
    (["show", "failing"], "has no summary.json"),
    (["report", "failing"], "has no comparison yet"),
    (["report", "nothing"], "no run is called"),
    (["compare", "nothing"], "no run is called"),
    (["compare"], "RUN"),
    (["compare", "empty"], "neither a run nor a sweep"),
    (["compare", "two_bump", "--level", "both"], "--level"),
    (["compare", "two_bump", "--out", "a_file"], "Choose another place: --out"),
    (["ls", "--jason"], "--jason"),
    (["run", "seeds=8"], "Did you mean 'training.seeds'?"),
    (["run", "optimizer.learning_rate=0.1"], "Did you mean 'training.optimizer.learning_rate'?"),
    (["run", "posterior.sample_sizes=[]"], "at least one number of observations"),
    (["run", "posterior.sample_sizes=[10,10]"], "10 comes after 10"),
    (["run", "posterior.sample_sizes=[1.5]"], "whole number"),
    (["run", "posterior.sampler.particles=2"], "at least 4"),
    (["run", "posterior.sampler.target_ess=1.5"], "between 0 and 1"),
    (["run", "data.datasets=0"], "at least 1"),
    (["run", "data=null"], "training.n=null"),
    (["run", "training.steps=1e3"], "whole number"),
    (["run", "training.checkpoints=1"], "at least 2"),
    (["run", "training.spacing=cubic"], "log, linear"),
    (["run", "training.optimizer.learning_rate=nan"], "positive and finite"),
    (["run", "training.optimizer.schedule=cosin"], "constant, linear, cosine"),
    (["run", "+training.extra=1"], "training.extra"),
    (["run", "llc=magic"], "choices: hessian"),
    (["run", "llc=sgld", "llc.at=nowhere"], "checkpoints, phases"),
    (["run", "llc=mala", "llc.weights=[Q]"], "no parameter is called 'Q'"),
    (["run", "comparison.hysteresis=0"], "at least 1"),
    (["run", "seed=-1"], "between 0 and 2^32 - 1"),
    (["run", "store="], "store names a directory"),
    (["run", "model=crafted_two_bump", "model.heights=[1]"], "1 heights"),
    (["run", "model=gaussian_mixture", "model.weights=[0.5,0.6]"], "sum to 1"),
    (["run", "model=deep_linear", "model.widths=[3]"], "three or more"),
    (["run", "model._target_=os.system"], "os.system is not a dataclass"),
    (["show", "foreign"], "has no summary.json"),
    (["report", "foreign"], "has no comparison yet"),
    (["show", "former"], f"in format {FORMAT - 1}, and this slt reads format {FORMAT}"),
    (["report", "former"], f"in format {FORMAT - 1}, and this slt reads format {FORMAT}"),
]


def test_a_run_of_someone_elses_is_read_and_never_executed(at_home, capsys):
    for command in (
        ["show", "foreign"],
        ["report", "foreign"],
        ["compare", "foreign"],
        ["compare", "foreign", "--json"],
    ):
        main(command)
    capsys.readouterr()
    assert not (at_home / "executed").exists()


@pytest.mark.parametrize(("argv", "message"), WRONG, ids=[" ".join(argv) for argv, _ in WRONG])
def test_wrong_input_is_told_in_three_lines_and_ends_with_two(at_home, capsys, argv, message):
    assert main(argv) == 2
    told = capsys.readouterr().err
    assert message in told
    assert len(told.splitlines()) <= 3
    assert "Traceback" not in told


def test_an_ambiguous_beginning_names_the_candidates(at_home, capsys):
    assert main([*TINY, "name=otherwise"]) == 0
    assert main(["show", "othe"]) == 2
    assert "could be any of 2 runs" in capsys.readouterr().err


def test_a_place_that_cannot_be_written_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("not a directory")
    assert main([*TINY, "store=file"]) == 2
    told = capsys.readouterr().err
    assert "store=DIR" in told
    assert len(told.splitlines()) <= 3


def test_a_run_ends_with_the_answer_and_the_report(at_home, capsys):
    assert main(["run", *TINY]) == 0
    told = capsys.readouterr().out
    assert "wide -> narrow" in told
    report = Path(told.strip().splitlines()[-1].removeprefix("report: "))
    assert report.is_file()


def test_dry_runs_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["run", "--dry-run", "training.seeds=16"]) == 0
    told = capsys.readouterr().out
    assert "seeds: 16" in told
    assert "3,600,000 seed-steps" in told.replace("\n", " ")
    assert "to be made" in told
    assert not (tmp_path / "runs").exists()


def test_dry_says_what_is_kept_and_estimates_from_earlier_runs(at_home, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["run", "--dry-run", *TINY]) == 0
    assert capsys.readouterr().out.count("kept from an earlier run") == 4
    assert main(["run", "--dry-run", *TINY, "training.steps=5000"]) == 0
    assert "at the rate of the latest training" in capsys.readouterr().out
    assert (
        main(["run", "--dry-run", *TINY, "model=crafted_three_wells", "optimizer=adam", "sampler=smc"]) == 0
    )
    assert "at the rate of" not in capsys.readouterr().out  # Adam and SMC have not been seen to run


def test_models_lists_the_zoo(capsys):
    assert main(["models", "--json"]) == 0
    zoo = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)}
    assert zoo["superposition"]["target"] == "slt.models.superposition.Superposition"
    assert zoo["superposition"]["options"]["features"] == 6
    assert zoo["superposition"]["dimension"] == 18
    assert {phase["name"]: phase["llc"] for phase in zoo["superposition"]["phases"]}["5"] == 7
    assert all(entry["about"] and entry["dimension"] for entry in zoo.values())
    sequences = {"icl_linear_regression", "induction"}  # whose phases are found
    assert {name for name, entry in zoo.items() if not entry["phases"]} == sequences


def test_models_name_solves_its_phases(capsys):
    assert main(["models", "superposition", "--json"]) == 0
    phases = {phase["name"]: phase for phase in json.loads(capsys.readouterr().out)}
    assert phases["5"]["llc"] == 7
    assert round(phases["6"]["loss"], 5) == 0.04819
    assert main(["models", "superposition", "model.features=8"]) == 0
    assert "8" in capsys.readouterr().out


def test_ls_names_every_run_and_what_differs(at_home, capsys):
    assert main(["ls", "--json"]) == 0
    rows = {row["run"].rsplit("-", 1)[0]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["two_bump"]["status"] == "done"
    assert rows["two_bump"]["differs"]["training.seeds"] == 4
    assert rows["other"]["differs"]["training.seeds"] == 5
    assert rows["failing"]["status"].startswith("failed: ")
    assert rows["spoilt"]["status"] == "unreadable"
    assert main(["ls"]) == 0
    assert main(["ls", "--store", "empty"]) == 0
    assert "no runs" in capsys.readouterr().out


def test_show_report_and_compare_read_runs_again(at_home, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["show", "two_bump"]) == 0
    assert "share of the posterior" in capsys.readouterr().out
    assert main(["show", "two_bump", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["phases"]
    assert main(["report", "two_bump"]) == 0
    assert capsys.readouterr().out.strip().endswith("report.html")
    assert main(["compare", "two_bump", "other", "failing", "two_bump"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("3 runs: 2 done, 1 failed")
    assert "training.seeds: 2, 4, 5" in told
    assert "wide -> narrow" in told
    assert "without a result: failing" in told
    written = [Path(line) for line in told.splitlines()[-4:]]
    assert [path.name for path in written] == [
        f"verdicts.{kind}" for kind in ("parquet", "csv", "png", "svg")
    ]
    assert all(path.is_file() for path in written)


def _process(argv, folder):
    code = "from slt.cli import main; raise SystemExit(main())"
    command = [sys.executable, "-c", code, *argv]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_a_sweep_outlives_a_failed_job_and_the_same_command_runs_what_is_missing(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    jobs = "training.optimizer.learning_rate=1e9,0.005,x"
    small = ["training.seeds=2", "training.steps=20", "posterior=null", "data.datasets=1"]
    ran = _process(["run", "-m", *small, jobs], tmp_path)  # Hydra sets up logging for a whole process
    assert ran.returncode == 1
    assert "2 of 3 jobs failed" in ran.stderr
    assert "Traceback" not in ran.stderr
    (sweep,) = (tmp_path / "runs/sweeps").iterdir()
    states = [json.loads(file.read_text())["status"] for file in sorted(sweep.glob("job-*.json"))]
    assert states[0].startswith("failed: training gave no result")
    assert states[1] == "done"
    assert "must be a number" in states[2]

    (done,) = (path for path in (tmp_path / "runs/runs").iterdir() if (path / "report.html").exists())
    before = (done / "manifest.json").stat().st_mtime_ns
    assert _process(["run", "-m", *small, jobs], tmp_path).returncode == 1
    assert list((tmp_path / "runs/sweeps").iterdir()) == [sweep]
    assert (done / "manifest.json").stat().st_mtime_ns == before

    (sweep / "job-0002.json").unlink()  # as if it were still to come
    assert main(["compare", str(sweep), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    failed, waiting = told["without_result"]
    assert failed["differs"] == {"training.optimizer.learning_rate": 1e9}
    assert waiting == {"run": None, "status": "waiting", "differs": {"training.optimizer.learning_rate": "x"}}
    assert not (sweep / "verdicts.csv").exists()
    assert main(["compare", str(sweep)]) == 0
    assert "3 runs: 1 failed, 1 done, 1 waiting" in capsys.readouterr().out
    assert "waiting" in (sweep / "verdicts.csv").read_text()


MODEL = '''
import jax, jax.numpy as jnp
from slt.models.base import Model, as_model, static

@as_model
class Line(Model):
    """A straight line through nothing. More words."""
    scale: float = static(1.0)
    def init(self, key):
        return {"w": jax.random.normal(key)}
    def sample(self, key, n):
        return jax.random.normal(key, (n,))
    def losses(self, w, data):
        return (data - self.scale * w["w"]) ** 2 / 2
    def log_prior(self, w):
        return jax.scipy.stats.norm.logpdf(w["w"])
    def sample_prior(self, key):
        return {"w": jax.random.normal(key)}
'''


def test_a_model_of_ones_own_works_outside_the_checkout(tmp_path):
    (tmp_path / "line_model.py").write_text(MODEL)
    (tmp_path / "own/model").mkdir(parents=True)
    (tmp_path / "own/model/line.yaml").write_text("_target_: line_model.Line\nscale: 2.0\n")
    small = [
        "training.seeds=2",
        "training.steps=20",
        "training.n=50",
        "posterior.sample_sizes=[5,50]",
        "sampler=quadrature",
    ]
    ran = _process(["run", "--config-dir", "own", "model=line", *small], tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert "report: runs/runs/" in ran.stdout
    listed = json.loads(_process(["models", "--config-dir", "own", "--json"], tmp_path).stdout)
    assert {e["name"]: e["about"] for e in listed}["line"] == "A straight line through nothing"


def test_a_configuration_that_is_not_yaml_is_named_with_its_line(at_home, capsys):
    folder = at_home / "broken/model"
    folder.mkdir(parents=True)
    (folder / "bad.yaml").write_text("_target_: [1\n")
    assert main(["run", "--config-dir", "broken", "model=bad"]) == 2
    told = capsys.readouterr().err
    assert "bad.yaml, line" in told
    assert len(told.splitlines()) <= 3
    assert main(["models", "--config-dir", "broken"]) == 0
    assert "not YAML" in " ".join(capsys.readouterr().out.split())


def test_a_bug_in_a_sweep_shows_where_it_is(tmp_path, monkeypatch, capsys):
    (tmp_path / "buggy_model.py").write_text(
        MODEL.replace("return (data - self", 'raise KeyError("bug")\n        (self')
    )
    (tmp_path / "own/model").mkdir(parents=True)
    (tmp_path / "own/model/buggy.yaml").write_text("_target_: buggy_model.Line\n")
    monkeypatch.chdir(tmp_path)
    small = ["training.seeds=2", "training.steps=2,3", "posterior=null", "data.datasets=1"]
    assert main(["run", "-m", "--config-dir", "own", "model=buggy", *small]) == 1
    assert "buggy_model.py" in capsys.readouterr().err


def test_help_the_zoo_and_the_list_of_runs_import_nothing_heavy(at_home):
    assert main(["models"]) == 0  # its phases are solved once
    heavy = "{'jax', 'pyarrow', 'matplotlib'} & sys.modules.keys()"
    for argv in (["--help"], ["models"], ["ls"]):
        code = f"import sys; from slt.cli import main; main({argv}); print({heavy}, file=sys.stderr)"
        ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert ran.stderr.strip() == "set()"


def test_a_process_ends_with_the_status_of_its_command(tmp_path):
    ran = _process(["show", "nothing"], tmp_path)
    assert ran.returncode == 2
    assert ran.stderr.startswith("slt: no run is called 'nothing'")
