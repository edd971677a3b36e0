//! `help`, `man`, `completions`: what the command line says of itself.

use super::answer::Answer;
use super::args::CommandLine;
use super::exit_codes;
use crate::error::{Failure, INTERNAL, NOT_FOUND};
use clap::CommandFactory;

/// `help [COMMAND…|exit-codes]`.
pub fn help(topic: &[String]) -> Result<Answer, Failure> {
    if topic == ["exit-codes"] {
        return Ok(exit_codes::help());
    }
    let mut command = CommandLine::command();
    command.build();
    for name in topic {
        let names = command.get_subcommands().map(|known| known.get_name().to_string());
        let names: Vec<String> = names.chain(["exit-codes".to_string()]).collect();
        let Some(found) = command.find_subcommand(name) else {
            let nearest = super::settings::nearest(name, names.iter().map(String::as_str));
            let what = format!("there is no command or topic {name:?}; nothing was done");
            let nearest = nearest.map_or_else(String::new, |nearest| format!(" {nearest}"));
            return Err(Failure::new(NOT_FOUND, what).help(format!("quorate help{nearest}")));
        };
        command = found.clone();
    }
    Ok(Answer::of_text(command.render_long_help().to_string()))
}

/// `man`.
pub fn man() -> Result<Answer, Failure> {
    let mut page = Vec::new();
    let rendered = clap_mangen::Man::new(CommandLine::command()).render(&mut page);
    rendered.map_err(|error| Failure::new(INTERNAL, format!("the manual page: {error}")))?;
    Ok(Answer::of_text(String::from_utf8_lossy(&page)))
}

/// `completions SHELL`.
pub fn completions(shell: clap_complete::Shell) -> Answer {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut CommandLine::command(), "quorate", &mut script);
    Answer::of_text(String::from_utf8_lossy(&script))
}
