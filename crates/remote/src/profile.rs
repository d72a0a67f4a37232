//! Credentials and settings of a profile in `~/.aws/credentials` and `~/.aws/config`, which the client does not read itself.
//!
//! Only what stands there as a value is used. A profile that signs in, assumes a role or runs a program has no keys of its own;
//! such a user exports keys to the environment, as the AWS command line does on demand.

use std::{collections::BTreeMap, fs, io, path::PathBuf};

use crate::{Error, Result};

/// Variables that say that credentials come from elsewhere; one is enough.
const ELSEWHERE: [&str; 4] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
];
/// What is taken from a profile.
const SETTINGS: [&str; 5] =
    ["aws_access_key_id", "aws_secret_access_key", "aws_session_token", "region", "endpoint_url"];
const KEY: &str = SETTINGS[0];
const DEFAULT: &str = "default";

/// The settings of a profile, by the names that they have there.
#[derive(Default)]
pub(crate) struct Profile {
    pub(crate) settings: BTreeMap<String, String>,
}

/// The profile that the environment chooses; `None` where it says that credentials come from elsewhere, and where there is none.
pub(crate) fn chosen(variable: &dyn Fn(&str) -> Option<String>) -> Result<Option<Profile>> {
    if ELSEWHERE.iter().any(|name| variable(name).is_some()) {
        return Ok(None);
    }
    let home = || variable("HOME").or_else(|| variable("USERPROFILE")).map(PathBuf::from);
    let file = |name: &str, below: &str| {
        variable(name).map(PathBuf::from).or_else(|| Some(home()?.join(".aws").join(below)))
    };
    let name = variable("AWS_PROFILE");
    let wanted = name.as_deref().unwrap_or(DEFAULT);
    let mut profile = Profile::default();
    let mut is_there = false;
    for (path, header) in [
        (file("AWS_CONFIG_FILE", "config"), format!("profile {wanted}")),
        // Keys of this file take precedence.
        (file("AWS_SHARED_CREDENTIALS_FILE", "credentials"), wanted.to_owned()),
    ] {
        let Some(path) = path else { continue };
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            text => text.map_err(|source| Error::Read { file: path.display().to_string(), source })?,
        };
        let section = section(&text, &header).or_else(|| section(&text, wanted));
        is_there |= section.is_some();
        profile.settings.extend(section.unwrap_or_default());
    }
    match name {
        Some(name) if !is_there => {
            Err(Error::Settings(format!("AWS_PROFILE names the profile {name:?}, which does not exist")))
        }
        Some(name) if !profile.settings.contains_key(KEY) => Err(Error::Settings(format!(
            "the profile {name:?} has no keys of its own; put those of the session into the environment"
        ))),
        _ => Ok(is_there.then_some(profile)),
    }
}

/// The settings in a section of a file, as far as they are used.
fn section(text: &str, header: &str) -> Option<BTreeMap<String, String>> {
    let mut found: Option<BTreeMap<String, String>> = None;
    let mut is_within = false;
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            is_within = name.split_whitespace().eq(header.split_whitespace());
            if is_within {
                found.get_or_insert_default();
            }
        } else if let (true, Some((key, value)), Some(found)) = (is_within, line.split_once('='), &mut found)
        {
            let key = key.trim().to_ascii_lowercase();
            if SETTINGS.contains(&key.as_str()) {
                found.insert(key, value.trim().to_owned());
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The access key and the region that an environment with these files gives.
    fn settings(environment: &[(&str, &str)]) -> Result<Option<(Option<String>, Option<String>)>> {
        let folder = tempfile::tempdir().unwrap();
        let aws = folder.path().join(".aws");
        fs::create_dir(&aws).unwrap();
        fs::write(
            aws.join("credentials"),
            "[default]\naws_access_key_id = A\naws_secret_access_key=S\n# x = y\n[web]\naws_access_key_id=B\n",
        )
        .unwrap();
        fs::write(
            aws.join("config"),
            "[default]\nregion=r1\n[profile web]\nregion = r2\n[profile sso]\nregion=r3\n",
        )
        .unwrap();
        let home = folder.path().to_string_lossy().into_owned();
        let variable = |name: &str| match name {
            "HOME" => Some(home.clone()),
            name => {
                environment.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
            }
        };
        let value = |profile: &Profile, key: &str| profile.settings.get(key).cloned();
        let profile = chosen(&variable)?;
        Ok(profile.map(|profile| (value(&profile, KEY), value(&profile, "region"))))
    }

    #[test]
    fn a_profile_is_chosen_by_the_environment() {
        let pair = |key: &str, region: &str| Some((Some(key.to_owned()), Some(region.to_owned())));
        assert_eq!(settings(&[]).unwrap(), pair("A", "r1"));
        assert_eq!(settings(&[("AWS_PROFILE", "web")]).unwrap(), pair("B", "r2"));
        assert_eq!(settings(&[("AWS_PROFILE", "web"), ("AWS_ACCESS_KEY_ID", "C")]).unwrap(), None);
        for name in ["sso", "nobody"] {
            let error = settings(&[("AWS_PROFILE", name)]).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
    }
}
