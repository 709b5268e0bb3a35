# Lets in who has paid and closed the page: every few seconds the router asks for them. It becomes the router's script
# "wifibilling-waiting"; https://portal.invalid/w/ROUTER/waiting/KEY and CHECK stand for what is the router's own.
:local wbWaits ""
:do {
  :set wbWaits ([/tool fetch url="https://portal.invalid/w/ROUTER/waiting/KEY" check-certificate=CHECK output=user as-value]->"data")
} on-error={ :set wbWaits "" }
:foreach wbOne in=[:toarray $wbWaits] do={
  :local wbAt [:find $wbOne "="]
  :local wbMac [:pick $wbOne 0 $wbAt]
  :local wbIp [:pick $wbOne ($wbAt + 1) [:len $wbOne]]
  :if ([:len [/ip hotspot active find where mac-address=$wbMac]] = 0) do={
    :do {
      /ip hotspot active login user=$wbMac password=$wbMac mac-address=$wbMac ip=$wbIp
    } on-error={ :log info ("wifibilling: " . $wbMac . " could not be let in yet") }
  }
}
