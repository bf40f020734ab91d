# ./dev test examples: every application of examples/, installed as its README says, and called.
# shellcheck shell=bash

EXAMPLES=(django express fastapi flask go nextjs spring)

examples_usage() {
    cat <<END
usage: ./dev test examples [EXAMPLE...] [ARGS]

Installs the applications of examples/ as their READMEs say, from the package registries into
${DEV_DIR#"$ROOT"/}/examples/, starts them, and calls them with tokens of two tenants from a real
tenantd. The first run takes minutes and some 900 MB; then only what has changed is installed again.
An example whose tools are missing is left out, and named.

  EXAMPLE   ${EXAMPLES[*]}; default: all
  ARGS      go to pytest:  ./dev test examples flask -k login
END
}

# An example named among the arguments selects; the others go to pytest.
test_examples() {
    local chosen=() args=() ready=() name arg
    for arg in "$@"; do
        if [[ " ${EXAMPLES[*]} " == *" $arg "* ]]; then chosen+=("$arg"); else args+=("$arg"); fi
    done
    ((${#chosen[@]} > 0)) || chosen=("${EXAMPLES[@]}")
    for name in "${chosen[@]}"; do
        ! example_install "$name" || ready+=("$name")
    done
    export EXAMPLES_HOME=$DEV_DIR/examples EXAMPLES_CHOSEN="${chosen[*]}" EXAMPLES_READY="${ready[*]}"
    run_pytest examples -rs "${args[@]}"
}

# example_install NAME: false when a tool is missing; stops when the installation fails.
example_install() {
    local name=$1 home=$DEV_DIR/examples/$1 log=$LOG_DIR/example-$1.log tool stamp commands
    for tool in $(example_tools "$name"); do
        have "$tool" || {
            warn "$name is left out: there is no $tool here"
            return 1
        }
    done
    stamp=$(example_files "$name" | xargs -0 sha256sum)
    [[ ! -f $home/.installed || $(<"$home/.installed") != "$stamp" ]] || return 0
    mkdir -p "$home" "$LOG_DIR"
    rm -f "$home/.installed"
    example_files "$name" | xargs -0 cp --parents -t "$DEV_DIR"
    commands=$(example_commands "$name")
    say "installing $name: ${commands//$'\n'/; }"
    (example_environment && cd "$home" && bash -euo pipefail -c "$commands") >"$log" 2>&1 </dev/null || {
        tail -n 20 "$log" >&2
        die "the installation of $name failed; the whole log is $log"
    }
    echo "$stamp" >"$home/.installed"
}

example_tools() {
    case $1 in
    express | nextjs) echo node npm ;;
    go) echo go ;;
    spring) echo java mvn ;;
    *) echo python3 ;;
    esac
}

example_files() {
    git ls-files --cached --others --exclude-standard -z -- "examples/$1"
}

# What stands in the README's first block between its first line, the environment, and its last,
# the start.
example_commands() {
    awk '/^```/ { if (block++) exit; next } block' "examples/$1/README.md" | sed '1d;$d'
}

# What is downloaded stays in DEV_DIR, and can be deleted there.
example_environment() {
    export npm_config_cache=$DEV_DIR/examples/.cache/npm npm_config_audit=false npm_config_fund=false
    export npm_config_update_notifier=false NEXT_TELEMETRY_DISABLED=1
    export GOMODCACHE=$DEV_DIR/examples/.cache/go GOFLAGS=-modcacherw
    export MAVEN_OPTS="-Dmaven.repo.local=$DEV_DIR/examples/.cache/maven"
}
