#!/bin/bash
# Sees that this machine has what clearcall needs to be built, run or tested.
#
#   scripts/setup.sh run|test|check
#
# On Debian and Ubuntu what is missing is installed, as root or with a sudo that asks for no password.
# Without those rights, and on other systems, it is named in one line to paste. Says nothing and takes no
# time where nothing is missing.
set -euo pipefail

purpose=${1:-run}
rust_wanted=1.95 # Cargo.toml's rust-version

case "$(uname -s)" in
Linux) ;;
Darwin)
    missing=()
    command -v cc >/dev/null || missing+=("xcode-select --install")
    command -v nasm >/dev/null || [ "$(uname -m)" = arm64 ] || missing+=("brew install nasm")
    command -v cmake >/dev/null || missing+=("brew install cmake")
    if [ ${#missing[@]} -gt 0 ]; then
        printf 'Missing; paste this first:\n'
        printf '  %s\n' "${missing[@]}"
        exit 1
    fi
    ;;
*)
    echo "This script knows Linux and macOS; for Windows see 'Other systems' in README.md." >&2
    exit 1
    ;;
esac

# Is the shared library there? ldconfig lies outside the PATH of most users.
libraries=$(PATH=$PATH:/sbin:/usr/sbin ldconfig -p 2>/dev/null || true)
has_library() { [[ $libraries == *"$1"* ]]; }
has_command() { command -v "$1" >/dev/null 2>&1; }
has_file() { compgen -G "$1" >/dev/null; }

debian=() fedora=() arch=()
need() { # Debian's name, Fedora's, Arch's
    debian+=("$1") fedora+=("$2") arch+=("$3")
}

if [ "$(uname -s)" = Linux ]; then
    # To build: a C and C++ compiler (H.264, cryptography), nasm (without it H.264 is two to three times
    # slower), libclang with its headers (the camera's bindings are made from the kernel's header), ALSA's headers
    # (sound; at run time they bring the library) and cmake (it compiles Opus).
    { has_command cc && has_command c++; } || need build-essential gcc-c++ base-devel
    has_command nasm || [ "$(uname -m)" != x86_64 ] || need nasm nasm nasm
    if ! { [ -n "${LIBCLANG_PATH:-}" ] || [[ $libraries =~ libclang(-[0-9]+)?\.so ]] ||
        has_file '/usr/lib/llvm*/lib*/libclang*.so*'; } ||
        ! { has_file '/usr/lib*/clang/*/include/stddef.h' || has_file '/usr/lib/llvm*/lib*/clang/*/include/stddef.h'; }; then
        need libclang-dev clang-devel clang
    fi
    has_file /usr/include/linux/videodev2.h || need linux-libc-dev kernel-headers linux-api-headers
    has_file /usr/include/alsa/asoundlib.h || need libasound2-dev alsa-lib-devel alsa-lib
    has_command pkg-config || need pkg-config pkgconf-pkg-config pkgconf
    has_command cmake || need cmake cmake cmake

    # To run: Vulkan with some driver; Mesa's software driver (lavapipe) serves where there is no GPU.
    has_library libvulkan.so.1 || need libvulkan1 vulkan-loader vulkan-icd-loader
    if ! { has_file '/usr/share/vulkan/icd.d/*.json' || has_file '/etc/vulkan/icd.d/*.json' ||
        [ -n "${VK_DRIVER_FILES:-}${VK_ICD_FILENAMES:-}" ]; }; then
        need mesa-vulkan-drivers mesa-vulkan-drivers vulkan-swrast
    fi
    if [ "$purpose" = check ]; then
        # The docs' tables are compared with docs/numbers.json.
        has_command python3 || need python3 python3 python
    fi
    if [ "$purpose" = run ]; then
        # The window opens these when it starts.
        has_library libX11.so.6 || need libx11-6 libX11 libx11
        has_library libX11-xcb.so.1 || need libx11-xcb1 libX11-xcb libx11
        has_library libXcursor.so.1 || need libxcursor1 libXcursor libxcursor
        has_library libXi.so.6 || need libxi6 libXi libxi
        has_library libXrandr.so.2 || need libxrandr2 libXrandr libxrandr
        has_library libxkbcommon.so.0 || need libxkbcommon0 libxkbcommon libxkbcommon
        has_library libxkbcommon-x11.so.0 || need libxkbcommon-x11-0 libxkbcommon-x11 libxkbcommon-x11
        has_library libwayland-client.so.0 || need libwayland-client0 libwayland-client wayland
    fi
fi

if [ ${#debian[@]} -gt 0 ]; then
    if has_command apt-get; then
        line="apt-get install -y --no-install-recommends ${debian[*]}"
        root=()
        if [ "$(id -u)" -ne 0 ]; then
            if has_command sudo && sudo -n true 2>/dev/null; then
                root=(sudo -n)
            else
                printf 'Missing on this machine; paste this, then run make again:\n  sudo %s\n' "$line" >&2
                exit 1
            fi
        fi
        echo "Installing ${debian[*]}"
        install() { "${root[@]}" env DEBIAN_FRONTEND=noninteractive $line; }
        # The list of packages is fetched only where the one that is there does not do.
        install 2>/dev/null || { "${root[@]}" apt-get update && install; }
    else
        printf 'Missing on this machine; paste this, then run make again:\n' >&2
        if has_command dnf; then
            printf '  sudo dnf install %s\n' "${fedora[*]}" >&2
        elif has_command pacman; then
            printf '  sudo pacman -S --needed %s\n' "${arch[*]}" >&2
        else
            printf '  by the names that Debian has for them: %s\n' "${debian[*]}" >&2
        fi
        exit 1
    fi
fi

# Rust. It is the user's own, so it is named and not installed.
if ! has_command cargo; then
    if [ -x "$HOME/.cargo/bin/cargo" ]; then
        printf 'Rust is there, but not in PATH; paste this, then run make again:\n  . "%s/.cargo/env"\n' "$HOME" >&2
    else
        printf 'Rust %s or newer is missing; get it from https://rustup.rs:\n  %s\n' "$rust_wanted" \
            "curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh" >&2
    fi
    exit 1
fi
version=$(cargo --version | cut -d' ' -f2)
if [ "$(printf '%s\n' "$rust_wanted" "$version" | sort -V | head -n1)" != "$rust_wanted" ]; then
    if has_command rustup; then
        fix="rustup toolchain install stable && rustup default stable"
    else
        fix="curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh"
    fi
    printf 'Rust %s is too old, %s or newer is needed; paste this, then run make again:\n  %s\n' \
        "$version" "$rust_wanted" "$fix" >&2
    exit 1
fi
if [ "$purpose" = check ]; then
    components=()
    cargo fmt --version >/dev/null 2>&1 || components+=(rustfmt)
    cargo clippy --version >/dev/null 2>&1 || components+=(clippy)
    if [ ${#components[@]} -gt 0 ]; then
        printf 'Missing; paste this, then run make again:\n  rustup component add %s\n' "${components[*]}" >&2
        exit 1
    fi
fi
