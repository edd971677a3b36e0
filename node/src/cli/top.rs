//! `top`: the network on the whole terminal, again every second, until a key or a signal ends it.
//!
//! | file | what |
//! |---|---|
//! | `top/look.rs` | asks the nodes |
//! | `top/state.rs` | what is known: the last look, and the last minute of them |
//! | `top/row.rs` | validators as rows |
//! | `top/finality.rs` | times from the nodes' histograms |
//! | `top/draw.rs`, `top/table.rs` | the picture, of a view and a size |
//! | `top/ansi.rs` | the picture as escape sequences |
//! | `top/screen.rs` | the terminal, taken and given back; keys and signals |

mod ansi;
mod draw;
mod finality;
mod look;
mod row;
mod screen;
mod state;
mod table;

use super::answer::Answer;
use super::args::TopArgs;
use super::context::Context;
use super::network;
use crate::error::{Failure, INTERNAL, USAGE};
use look::{Look, Lookout};
use screen::{Screen, Wish, Wishes};
use state::{State, View};
use std::io::IsTerminal;
use std::time::Duration;
use tokio::time::Instant;

/// Shortest pause between two looks: a look costs a node more than a person sees of it.
const PAUSE_MIN: Duration = Duration::from_millis(100);

/// `top`: until it is ended; without a terminal one look.
pub async fn top(context: &Context, args: &TopArgs) -> Result<Answer, Failure> {
    if context.settings.is_json {
        let what = "top is for people at a terminal; nothing was asked";
        return Err(Failure::new(USAGE, what).help("quorate status --json"));
    }
    let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    if !std::io::stdout().is_terminal() || is_dumb {
        return network::status(context).await;
    }
    // https://no-color.org: any value but none.
    let is_coloured = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let lookout = Lookout::new(context)?;
    let ended = frames(&lookout, args.every.max(PAUSE_MIN), is_coloured).await;
    ended.map(|()| Answer::of_stream()).map_err(|error| {
        Failure::new(INTERNAL, format!("the terminal: {error}; nothing was changed"))
            .help("quorate status")
    })
}

async fn frames(lookout: &Lookout, every: Duration, is_coloured: bool) -> std::io::Result<()> {
    let mut wishes = Wishes::new()?;
    let mut screen = Screen::open(is_coloured)?;
    let (began, mut due) = (Instant::now(), Instant::now());
    let mut state = State::default();
    let mut view = View::default();
    let looking = look(lookout, due);
    tokio::pin!(looking);
    loop {
        screen.draw(|frame| draw::draw(&view, frame.area(), frame.buffer_mut()))?;
        tokio::select! {
            look = &mut looking => {
                state.take(state::ms(began.elapsed()), look);
                view = state.view();
                due = (due + every).max(Instant::now());
                looking.set(self::look(lookout, due));
            }
            wish = wishes.next() => match wish {
                Wish::End => return Ok(()),
                Wish::Redraw => {}
            },
        }
    }
}

async fn look(lookout: &Lookout, due: Instant) -> Look {
    tokio::time::sleep_until(due).await;
    lookout.look().await
}

#[cfg(test)]
mod tests;
