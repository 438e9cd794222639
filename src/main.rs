fn main() -> std::process::ExitCode {
    mailrun::cli::main()
}
