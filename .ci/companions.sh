# Sourced by .ci/run: what the examples in other languages need, as far as it can be had here. Each part that cannot
# is said, and its tests are skipped, with a word.
#
# FOLDER is where it goes. Sets NODE_PATH and ONNXRUNTIME_INCLUDE.

node_packages() {
  command -v node > /dev/null && command -v npm > /dev/null || return 1
  # Their install scripts only fetch builds for GPUs.
  npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$1" \
    onnxruntime-node@1.30.0 onnxruntime-web@1.30.0 > /dev/null 2>&1
}

# What reads the diagrams that are written for it.
mermaid() {
  npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$1" mermaid@11.17.2 jsdom@29.1.1 > /dev/null 2>&1
}

# ONNX Runtime's headers for C++: Debian 13 has them. On an older one that package is unpacked aside; nothing is installed.
headers() {
  command -v g++ > /dev/null || return 1
  [ ! -e /usr/include/onnxruntime/onnxruntime_cxx_api.h ] || return 0
  command -v apt-get > /dev/null && command -v dpkg > /dev/null || return 1
  local key=/usr/share/keyrings/debian-archive-keyring.gpg
  [ -e "$key" ] || return 1
  mkdir -p "$1/state/lists/partial" "$1/cache/archives/partial"
  echo "deb [signed-by=$key] http://deb.debian.org/debian trixie main" > "$1/sources.list"
  local options=(-qq -o "Dir::Etc::sourcelist=$1/sources.list" -o Dir::Etc::sourceparts=/dev/null
    -o "Dir::State=$1/state" -o "Dir::Cache=$1/cache" -o Dir::State::status=/var/lib/dpkg/status)
  (cd "$1" && timeout 180 apt-get "${options[@]}" update && timeout 60 apt-get "${options[@]}" download libonnxruntime-dev) \
    > /dev/null 2>&1 || return 1
  dpkg -x "$1"/libonnxruntime-dev_*.deb "$1" || return 1
  export ONNXRUNTIME_INCLUDE=$1/usr/include/onnxruntime
}

companions() {
  if node_packages "$1/node"; then
    export NODE_PATH=$1/node/node_modules
    mermaid "$1/node" || echo "no Mermaid here: its diagrams are not read"
  else
    echo "no Node, or no ONNX Runtime for it: the programs in JavaScript are not run"
  fi
  headers "$1/debian" || echo "no g++, or no headers of ONNX Runtime: the program in C++ is not built"
  command -v chromium > /dev/null || command -v google-chrome > /dev/null || echo "no Chromium: the web page is not opened"
}
