# Sourced by the scripts of this folder, which set $script to their own resolved path first.
#
#   launch MODULE ARGUMENTS...    becomes kafkalite.cli.MODULE, run in the repository's virtual environment (.venv)
#   prepare EXTRA                 makes that environment, or brings it up to date with pyproject.toml
#
# A prepared environment costs one comparison of two small files; pip runs only when pyproject.toml has changed.

bin=${script%/*}
repository=${bin%/*}
environment=$repository/.venv

# set_up_environment.py leaves a copy of pyproject.toml for each extra that it has installed completely.
is_prepared() {
    [ -x "$environment/bin/python" ] && [ -r "$environment/installed/location" ] &&
        read -r location < "$environment/installed/location" && [ "$location" = "$repository" ] &&
        cmp -s "$repository/pyproject.toml" "$environment/installed/$1.toml"
}

# The first Python that is new enough and can make environments; failing that, what to do about it.
find_python() {
    if [ -n "${KAFKALITE_PYTHON:-}" ]; then
        set -- "$KAFKALITE_PYTHON"
    else
        set -- "$environment/bin/python" python3 python3.14 python3.13 python3.12 python3.11 /usr/bin/python3
    fi
    new_enough=
    for python; do
        "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' > /dev/null 2>&1 || continue
        "$python" -c 'import ensurepip, venv; ensurepip.version()' > /dev/null 2>&1 && return
        new_enough=${new_enough:-$python}
    done
    if [ -z "$new_enough" ]; then
        echo "kafkalite needs Python 3.11 or newer, and found none${KAFKALITE_PYTHON:+ (KAFKALITE_PYTHON is $KAFKALITE_PYTHON)}." >&2
        exit 1
    fi
    path=$("$new_enough" -c 'import os, sys; print(os.path.realpath(sys.executable))')
    echo "kafkalite keeps its dependencies in a Python environment of its own, and $path cannot make one." >&2
    if command -v apt-get > /dev/null; then
        package=python3-venv
        [ "$(readlink -f /usr/bin/python3)" = "$path" ] || package=${path##*/}-venv
        sudo=
        [ "$(id -u)" = 0 ] || sudo='sudo '
        echo "This command mends it:" >&2
        echo "    ${sudo}apt-get install -y $package" >&2
    else
        echo "Install the modules venv and ensurepip for it (packages are often called python3-venv or python3-pip)." >&2
    fi
    exit 1
}

prepare() {
    is_prepared "$1" && return
    find_python
    "$python" "$bin/set_up_environment.py" "$1" < /dev/null || exit 1
}

# Bytecode goes below .venv, whatever PYTHONDONTWRITEBYTECODE says: that variable keeps source folders clean, which
# this does as well, and without bytecode every start would compile kafkalite anew.
run_python() {
    unset PYTHONDONTWRITEBYTECODE
    export PYTHONPYCACHEPREFIX="$environment/bytecode"
    exec "$environment/bin/python" -P "$@"
}

launch() {
    prepare cli
    module=$1
    shift
    run_python -c "import sys; from kafkalite.cli.$module import main; sys.exit(main())" "$@"
}
