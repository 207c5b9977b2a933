//! Asking before something that touches many things.

use std::io::{BufRead, IsTerminal, Write};

use crate::error::{Error, Result};

/// Asks on the terminal, after `show` has listed what is touched. Without a
/// terminal only `--yes` goes on.
pub(super) fn ask(yes: bool, question: &str, show: impl FnOnce()) -> Result<()> {
    if yes {
        return Ok(());
    }
    let stdin = std::io::stdin();
    show();
    if !stdin.is_terminal() || !std::io::stderr().is_terminal() {
        return Err(
            Error::refused(format!("{question} There is no terminal to ask on"))
                .hint("add --yes once the list above is what you mean"),
        );
    }
    let mut stderr = std::io::stderr();
    let _ = write!(stderr, "{question} [y/N] ");
    let _ = stderr.flush();
    let mut answer = String::new();
    let _ = stdin.lock().read_line(&mut answer);
    if matches!(answer.trim(), "y" | "Y" | "yes") {
        Ok(())
    } else {
        Err(Error::refused("nothing was done"))
    }
}
