//! A newcomer's first lines are the program's own.

use crate::run::clearcall;

/// Where there is no display, Mesa's layer that chooses a GPU complains of a missing XDG_RUNTIME_DIR.
#[test]
fn looking_for_a_gpu_without_a_display_says_nothing() {
    let ran = clearcall(&["devices"]).ok();
    assert!(ran.out.contains("Engines") && ran.err.is_empty(), "{ran:#?}");
}
