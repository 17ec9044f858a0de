# For scripts that source it and have say(): installs the Debian packages that are missing, or names them and exits with 1.
need_packages() {
  local missing=() package
  for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  if ((${#missing[@]})); then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
      say "installing Debian packages: ${missing[*]}"
      export DEBIAN_FRONTEND=noninteractive
      apt-get update -qq
      apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
    else
      say "these Debian packages are missing: ${missing[*]}" >&2
      say "as root: apt-get install ${missing[*]}" >&2
      exit 1
    fi
  else
    say "Debian packages: all there"
  fi
}
