//! What helps against an error, as a flag or a command: the libraries say it as a value.

use heaplake_model::Remedy;

/// The remedy of the first error in a chain that has one, in words of the command line.
pub fn of(error: &anyhow::Error) -> Option<String> {
    let remedy = error.chain().find_map(|cause| {
        let answers =
            cause.downcast_ref::<heaplake_answers::Error>().and_then(heaplake_answers::Error::remedy);
        let engine = || cause.downcast_ref::<heaplake_engine::Error>()?.remedy();
        let store = || cause.downcast_ref::<heaplake_store::Error>()?.remedy();
        let remote = || cause.downcast_ref::<heaplake_remote::Error>()?.remedy();
        answers.or_else(engine).or_else(store).or_else(remote)
    });
    remedy.map(|remedy| worded(&remedy))
}

/// A remedy in words of the command line.
pub fn worded(remedy: &Remedy) -> String {
    match remedy {
        Remedy::RaiseMemoryLimit => "raise --memory-limit".to_owned(),
        Remedy::SkipDamage => "--on-error skip keeps what can be kept".to_owned(),
        Remedy::ChoosePart { parts } => {
            format!("import them one by one, with --part 1 to --part {parts}")
        }
        Remedy::RecogniseFormat => "without --format it is recognised".to_owned(),
        Remedy::CaptureProcess => "`heaplake capture` takes a dump of a running Python process".to_owned(),
        Remedy::MakeLake => "`heaplake import` makes one".to_owned(),
        Remedy::ImportDump => "`heaplake import FILE` puts one in".to_owned(),
        Remedy::RenameOrReplace => "give another name with --dump, or overwrite it with --replace".to_owned(),
        Remedy::ReplaceDump => "--replace overwrites it".to_owned(),
        Remedy::GiveCredentials => {
            "credentials come from the environment (AWS_ACCESS_KEY_ID, GOOGLE_APPLICATION_CREDENTIALS, \
             AZURE_STORAGE_ACCOUNT_KEY, ...), from a profile (AWS_PROFILE), or from the machine's role"
                .to_owned()
        }
        Remedy::PushDump => "`heaplake push --to` makes one".to_owned(),
        Remedy::PullDump => {
            "`heaplake pull` copies a dump into a folder; change it there, and `heaplake push --replace` copies it back"
                .to_owned()
        }
        Remedy::ImportOrRemove => "`heaplake import` and `heaplake rm` do".to_owned(),
        Remedy::VerifyLake => "`heaplake verify` looks at every file".to_owned(),
        Remedy::BuildIndex { dump } => format!("`heaplake index {dump}` builds the index"),
        Remedy::KeepFields { dump } => {
            format!(
                "`heaplake import --fields --replace --dump {dump} FILE` keeps them, where the format has any"
            )
        }
        Remedy::SaveLayer { name: None } => "`heaplake whatif --save NAME` makes one".to_owned(),
        Remedy::SaveLayer { name: Some(name) } => {
            format!("save it again with `heaplake whatif --save {name}`")
        }
        Remedy::AllowFileStatements => {
            "--allow-files permits statements that read and write files outside it".to_owned()
        }
        Remedy::AllowReadingFiles => "--allow-files permits it".to_owned(),
        Remedy::ChooseBaseline => "say which with --baseline".to_owned(),
        Remedy::RaiseTimeLimit => "allow it more time".to_owned(),
        Remedy::RaiseRowLimit => "allow it more rows".to_owned(),
        Remedy::RaiseByteLimit => "allow it more bytes".to_owned(),
        Remedy::RunWithoutHeader => "`heaplake sql -f FILE` runs files without one".to_owned(),
        Remedy::DeclareParameters => "`heaplake run FILE.sql` gives values to the parameters that the first \
                                      lines of the file declare"
            .to_owned(),
    }
}
