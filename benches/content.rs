//! The processor time that content takes: 1 MB attached to 120 rows, and messages of 10 kB: `make bench`.
//!
//! The server is the embedded sink, in this process; what is measured is the program: user and system time of its process,
//! the fastest of five runs. Nothing is asserted: this is for a person to read. To compare with another build:
//! `MAILRUN_BENCH_BINARY=… cargo bench --bench content`.

mod support;

use mailrun::serve::{self, Behaviour, Config, SinkOptions};
use std::fmt::Write;
use std::io;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

fn main() -> io::Result<()> {
    let server = serve::start(Config::new(Behaviour::Sink(SinkOptions::default()))).map_err(io::Error::other)?;
    let url = format!("smtp://{}", server.address);
    let folder = tempfile::tempdir()?;
    let mut random = fastrand::Rng::with_seed(1);
    let attachment: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(1_000_000).collect();
    std::fs::write(folder.path().join("attachment.bin"), attachment)?;
    let text = "A line of a report, as long as such lines are: 0123456789 0123456789.\n".repeat(141);
    std::fs::write(folder.path().join("text.txt"), &text)?;

    println!("content to the embedded sink, fastest of 5, processor time of the program:");
    let attached = "text = 'see the attachment'\nattach = ['attachment.bin']\n";
    let file = "text = { file = 'text.txt' }\n";
    let template = "text = { file = 'text.txt', template = true }\nheaders = { X-Row = '{{ row.email }}' }\n";
    for (name, rows, message) in [
        ("1 MB attached, 120 rows", 120, attached),
        ("10 kB, 2,000 rows", 2_000, file),
        ("10 kB as a template, 2,000 rows", 2_000, template),
    ] {
        for (transfer, key) in [("BDAT", ""), ("DATA", "chunking = false\n")] {
            write_batch(folder.path(), rows, &format!("{message}{key}"))?;
            let (wall, processor) = fastest(folder.path(), &url)?;
            println!(
                "  {name:<32} {transfer}  {:>8.3} ms of processor time a message, {:>6.2} s in all, {:>6.2} s by the clock",
                processor.as_secs_f64() * 1000.0 / f64::from(rows),
                processor.as_secs_f64(),
                wall.as_secs_f64()
            );
        }
    }
    Ok(())
}

fn write_batch(folder: &Path, rows: u32, message: &str) -> io::Result<()> {
    let session = format!(
        "client_name = 'client.example'\n[message]\nfrom = 'a@x.example'\nto = '{{{{ row.email }}}}'\nsubject = 's'\n\
         {message}[rows]\nfile = 'rows.csv'\nkey = 'email'\nper_connection = 1000000\n"
    );
    std::fs::write(folder.join("batch.toml"), session)?;
    let mut list = String::from("email\n");
    (0..rows).for_each(|row| writeln!(list, "user{row}@x.example").expect("a String takes all"));
    std::fs::write(folder.join("rows.csv"), list)
}

/// The wall-clock time and the processor time of the fastest run.
fn fastest(folder: &Path, url: &str) -> io::Result<(Duration, Duration)> {
    let mut best = (Duration::MAX, Duration::MAX);
    for _ in 0..5 {
        let mut command = Command::new(support::program());
        let usage = support::run(command.args(["run", "--quiet", "--server", url, "batch.toml"]).current_dir(folder))?;
        best = (best.0.min(usage.wall), best.1.min(usage.processor));
    }
    Ok(best)
}
