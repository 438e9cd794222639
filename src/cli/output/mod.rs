//! What the commands write: standard output, standard error, transcripts and reports.

pub mod buffered_output;
pub mod console;
pub mod new_file;
pub mod progress;
pub mod quiet_limit;
pub mod report_files;
pub mod rerun_command;
pub mod row_lines;
pub mod server_log;
pub mod stdout_transcript;
pub mod terminal_prompt;
pub mod transcript_files;
pub mod workspace;
