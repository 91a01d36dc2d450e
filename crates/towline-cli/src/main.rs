//! `towline`, the command line: what it does is in the modules named for its commands.

mod args;
mod clock;
mod conformance;
mod demo;
mod doctor;
mod failure;
mod http;
mod out;
mod probe;
mod trail;
mod wire;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::{Args, Command, DemoCommand};
use crate::failure::Failure;
use crate::out::Out;

fn main() -> ExitCode {
    // Exits by itself: 0 for help and version, 2 for what is not understood.
    let args = Args::parse();
    let json = args.command.is_json();
    let mut out = Out::new();
    match run(args, &mut out) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            out.failure(&failure, json);
            ExitCode::from(failure.exit())
        }
    }
}

/// What a command ends with: 0 for well, 1 for findings; the others are failures.
type Exit = Result<u8, Failure>;

fn run(args: Args, out: &mut Out) -> Exit {
    match args.command {
        Command::Clock(command) => clock::run(&command, out),
        Command::Probe(args) => runtime()?.block_on(probe::run(&args, out)),
        Command::Conformance(args) => runtime()?.block_on(conformance::run(&args, out)),
        Command::Doctor(args) => runtime()?.block_on(doctor::run(&args, out)),
        Command::Demo(command) => runtime()?.block_on(async {
            match command {
                DemoCommand::Up(args) => demo::up(&args, out).await,
                DemoCommand::Down(args) => demo::down(&args, out).await,
                DemoCommand::Status(args) => demo::status(&args, out).await,
                DemoCommand::Run(args) => demo::run(&args, out).await,
            }
        }),
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.map_err(|error| Failure::system("the runtime cannot start").because(error))
}
