# Configures and builds a CMake preset.
# shellcheck shell=bash

# configure PRESET: only when there is no build yet or the presets changed. A changed
# CMakeLists.txt needs nothing from us: ninja sees it.
configure() {
    local preset=$1 stamp=build/$1/.configured
    [[ ! -f build/$preset/build.ninja || CMakePresets.json -nt $stamp ]] || return 0
    make_dev_dir
    say "configuring $preset"
    cmake --preset "$preset" >"$LOG_DIR/configure-$preset.log" 2>&1 || {
        tail -n 30 "$LOG_DIR/configure-$preset.log" >&2
        die "cmake failed; the whole log is $LOG_DIR/configure-$preset.log"
    }
    touch "$stamp"
}

# build PRESET [TARGET...]: all targets when none is named.
build() {
    local preset=$1 quiet=(--quiet)
    shift
    # On a terminal ninja shows its progress in one line, elsewhere a line for each file.
    [[ ! -t 1 ]] || quiet=()
    configure "$preset"
    say "building $preset"
    cmake --build "build/$preset" -- "${quiet[@]}" "$@" || die "the build of $preset failed"
}

cmd_build() {
    local preset=${1:-dev}
    case $preset in
    fuzz) dev_setup tests fuzz ;;
    analyze | coverage) dev_setup tests analyze ;;
    dev-fast | release) dev_setup ;;
    *) dev_setup tests ;;
    esac
    build "$preset"
}
