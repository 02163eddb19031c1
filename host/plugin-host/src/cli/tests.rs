#![expect(clippy::unwrap_used, reason = "tests")]
use clap::CommandFactory as _;

use super::*;

fn parse(args: &[&str]) -> Result<CommandLine, Stop> {
    CommandLine::parse_args(std::iter::once("plugin").chain(args.iter().copied()).map(OsString::from))
}

#[test]
fn without_a_command_the_program_serves() {
    for args in [&[][..], &["--log-level=debug"], &["-tls-skip-verify", "-ca-path", "run"]] {
        assert!(parse(args).unwrap().command.is_none(), "{args:?}");
    }
}

#[test]
fn commands_refuse_the_go_plugins_flags() {
    let stop = parse(&["module", "inspect", "-tls-skip-verify"]).unwrap_err();
    assert!(stop.error.to_string().contains("unexpected argument '-t'"), "{}", stop.error);
}

#[test]
fn serving_takes_no_command_beside_its_arguments() {
    assert!(parse(&["--log-level=debug", "module", "inspect", "x"]).unwrap_err().error.use_stderr());
}

#[test]
fn every_help_text_is_as_reviewed() {
    let mut texts = Vec::new();
    help_texts(CommandLine::command(), "", &mut texts);
    insta::assert_snapshot!(texts.join("\n────────\n"));
}

/// The help of a command and of all below it, each as `--help` prints it.
fn help_texts(command: clap::Command, above: &str, texts: &mut Vec<String>) {
    let name = format!("{above} {}", command.get_name()).trim().to_owned();
    let below: Vec<clap::Command> = command.get_subcommands().cloned().collect();
    let mut command = command.bin_name(&name);
    texts.push(command.render_long_help().to_string());
    for command in below {
        help_texts(command, &name, texts);
    }
}
