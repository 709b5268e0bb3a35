# Joins a RouterOS router: what billing/joining/routeros.py writes before it are the values ($wb...), and nothing else of it
# differs from router to router. Everything it makes is named or commented "wifibilling"; a second run finds that and sets
# it again. It runs as one block: a syntax error anywhere stops it before anything is changed. Comments are left out of
# what the router gets. Lines between "#if 7" and "#end" are for RouterOS 7 only, "#if 6" likewise.

# --- 1. Can this router do it? Nothing is changed before all of this is known. ---
:set wbStep "checking the router"
#if 7
:if ([:pick [/system resource get version] 0 2] != "7.") do={
  :error "wifibilling: this script is for RouterOS 7; make one for RouterOS 6 (it has no tunnel)"
}
:local wbMissing ""
:foreach wbFeature in=$wbFeatures do={
  :local wbAllowed true
  :do {
    :local wbAsk [:parse (":return [/system device-mode get " . $wbFeature . "]")]
    :set wbAllowed [$wbAsk]
  } on-error={ :set wbAllowed true }
  :if ($wbAllowed = false) do={ :set wbMissing ($wbMissing . " " . $wbFeature . "=yes") }
}
:if ($wbMissing != "") do={
  :put "The device mode of this router forbids what is needed. Type:"
  :put ("  /system device-mode update" . $wbMissing)
  :put "then, within 5 minutes, pull the power plug and put it back (or press the reset button), and paste a new line."
  :error "wifibilling: stopped, nothing was changed"
}
:if ($wbAskPorts = true) do={
  :put "Ports of this router:"
  /interface print
  :set wbHotspot [/terminal ask prompt="Hotspot ports, with commas between them (empty: none): "]
  :set wbPppoe [/terminal ask prompt="PPPoE ports (empty: none): "]
  :set wbUplink [/terminal ask prompt="Uplink (where the internet comes from): "]
}
#end
#if 6
:if ([:pick [/system resource get version] 0 2] != "6.") do={
  :error "wifibilling: this script is for RouterOS 6; make one for RouterOS 7"
}
#end
:local wbEvery [:toarray ($wbHotspot . "," . $wbPppoe . "," . $wbUplink)]
:foreach wbPort in=$wbEvery do={
  :if ([:len $wbPort] > 0) do={
    :if ([:len [/interface find where name=$wbPort]] = 0) do={
      :error ("wifibilling: there is no port " . $wbPort . "; nothing was changed")
    }
  }
}
:if ([:len $wbUplink] = 0) do={ :error "wifibilling: say which port is the uplink; nothing was changed" }
:foreach wbPort in=[:toarray ($wbHotspot . "," . $wbPppoe)] do={
  :if ($wbPort = $wbUplink) do={
    :error ("wifibilling: " . $wbPort . " is the uplink and cannot serve customers; nothing was changed")
  }
}
:local wbServices ""
:if (([:len $wbHotspot] > 0) || ($wbKeep = true)) do={ :set wbServices "hotspot" }
:if ([:len $wbPppoe] > 0) do={
  :if ($wbServices = "") do={ :set wbServices "ppp" } else={ :set wbServices "hotspot,ppp" }
}
:if ($wbServices = "") do={ :error "wifibilling: neither a hotspot nor a PPPoE port was named; nothing was changed" }
:local wbFolder "wifibilling"
:if ([:len [/file find where name="flash"]] > 0) do={ :set wbFolder "flash/wifibilling" }
:local wbYesNo do={ :if ($1 = true) do={ :return "yes" } else={ :return "no" } }

# --- 2. Backup, and what undo must put back. Once: a second run must not save what the first one made. ---
:set wbStep "saving a backup"
:if ([:len [/system script find where name="wifibilling-undo"]] = 0) do={
  /export file=($wbFolder . "-before")
  /system backup save name=($wbFolder . "-before") dont-encrypt=yes
  :local wbBack ""
  :set wbBack ($wbBack . "/radius incoming set accept=" . [$wbYesNo [/radius incoming get accept]])
  :set wbBack ($wbBack . " port=" . [/radius incoming get port] . "\n")
  :set wbBack ($wbBack . "/ppp aaa set use-radius=" . [$wbYesNo [/ppp aaa get use-radius]])
  :set wbBack ($wbBack . " accounting=" . [$wbYesNo [/ppp aaa get accounting]])
  :set wbBack ($wbBack . " interim-update=" . [/ppp aaa get interim-update] . "\n")
  :set wbBack ($wbBack . "/system ntp client set enabled=" . [$wbYesNo [/system ntp client get enabled]] . "\n")
  :if ($wbKeep = true) do={
    :foreach wbServer in=[/ip hotspot find where name!="wifibilling"] do={
      :local wbProfile [/ip hotspot get $wbServer profile]
      :if ($wbProfile ~ "[\"\\\\\$]") do={ :error ("wifibilling: rename the hotspot profile " . $wbProfile) }
      :local wbThere [/ip hotspot profile find where name=$wbProfile]
      :local wbBy ""
      :foreach wbWay in=[/ip hotspot profile get $wbThere login-by] do={
        :if ($wbBy = "") do={ :set wbBy $wbWay } else={ :set wbBy ($wbBy . "," . $wbWay) }
      }
      :set wbBack ($wbBack . "/ip hotspot profile set [find where name=\"" . $wbProfile . "\"] use-radius=")
      :set wbBack ($wbBack . [$wbYesNo [/ip hotspot profile get $wbThere use-radius]])
      :set wbBack ($wbBack . " radius-accounting=" . [$wbYesNo [/ip hotspot profile get $wbThere radius-accounting]])
      :set wbBack ($wbBack . " radius-interim-update=" . [/ip hotspot profile get $wbThere radius-interim-update])
      :set wbBack ($wbBack . " login-by=" . $wbBy)
      :set wbBack ($wbBack . " mac-auth-mode=" . [/ip hotspot profile get $wbThere mac-auth-mode])
      :set wbBack ($wbBack . " html-directory=\"" . [/ip hotspot profile get $wbThere html-directory] . "\"\n")
    }
  }
  :foreach wbPort in=[:toarray $wbHotspot] do={
    :foreach wbMember in=[/interface bridge port find where interface=$wbPort] do={
      :local wbBridge [/interface bridge port get $wbMember bridge]
      :if (($wbBridge . $wbPort) ~ "[\"\\\\\$]") do={ :error ("wifibilling: rename the bridge " . $wbBridge) }
      :set wbBack ($wbBack . "/interface bridge port add interface=\"" . $wbPort . "\" bridge=\"" . $wbBridge . "\"\n")
    }
  }
  /system script add name="wifibilling-undo" comment="wifibilling" dont-require-permissions=no \
    source=($wbUndo . $wbBack . "/system script remove [find where name=\"wifibilling-undo\"]\n")
}

# --- 3. The clock: certificates, tunnel and accounting need it. A clock that is set already stays as it is. ---
:set wbStep "setting the clock"
:if ([/system ntp client get enabled] = false) do={
#if 7
  /system ntp client set enabled=yes servers=$wbNtp
#end
#if 6
  /system ntp client set enabled=yes server-dns-names=$wbNtp
#end
}

#if 7
# --- 4. The tunnel. The private key is made here and never leaves the router. ---
:if ($wbTunnel = true) do={
  :set wbStep "opening the tunnel"
  :if ([:len [/interface wireguard find where name="wifibilling"]] = 0) do={
    /interface wireguard add name="wifibilling" comment="wifibilling" mtu=1420 listen-port=$wbListen
  }
  :if ([:len [/interface wireguard peers find where interface="wifibilling"]] = 0) do={
    /interface wireguard peers add interface="wifibilling" comment="wifibilling" public-key=$wbHubKey allowed-address=$wbHubAllowed
  }
  /interface wireguard peers set [find where interface="wifibilling"] public-key=$wbHubKey allowed-address=$wbHubAllowed \
    endpoint-address=$wbHubHost endpoint-port=$wbHubPort persistent-keepalive=25s
  :if ([:len [/ip address find where interface="wifibilling"]] = 0) do={
    /ip address add interface="wifibilling" comment="wifibilling" address=$wbAddress
  }
  /ip address set [find where interface="wifibilling"] address=$wbAddress
  :local wbKey [/interface wireguard get [find where name="wifibilling"] public-key]
  :set wbStep "telling the server this router's key"
  /tool fetch url=($wbUrl . "/key") http-method=post http-data=($wbToken . " " . $wbKey) check-certificate=$wbCheck output=none
}
#end

# --- 5. RADIUS, and Disconnect and CoA from the server. ---
:set wbStep "setting RADIUS"
:if ([:len [/radius find where comment="wifibilling"]] = 0) do={
  /radius add comment="wifibilling" service=$wbServices address=$wbServer secret=$wbSecret
}
/radius set [find where comment="wifibilling"] service=$wbServices address=$wbServer secret=$wbSecret timeout=3s \
  authentication-port=$wbAuthPort accounting-port=$wbAcctPort src-address=$wbSource disabled=no
:do {
  :local wbSign [:parse "/radius set [find where comment=\"wifibilling\"] require-message-auth=yes-for-request-resp"]
  $wbSign
} on-error={
  :put "This RouterOS signs no log-ins (7.15 and later do). Update it, or register the router as one that cannot."
}
:if ([:len [/radius find where comment!="wifibilling" and disabled=no]] > 0) do={
  :put "Other RADIUS servers are set as well, and one above ours is asked first: look at /radius print"
}
/radius incoming set accept=yes port=$wbCoaPort
:if ([:len [/ip firewall filter find where comment="wifibilling"]] = 0) do={
  :local wbRules [/ip firewall filter find where chain="input" and dynamic=no]
  :if ([:len $wbRules] > 0) do={
    /ip firewall filter add chain=input action=accept protocol=udp dst-port=$wbCoaPort src-address=$wbServer \
      comment="wifibilling" place-before=[:pick $wbRules 0]
  } else={
    /ip firewall filter add chain=input action=accept protocol=udp dst-port=$wbCoaPort src-address=$wbServer \
      comment="wifibilling"
  }
}
/ip firewall filter set [find where comment="wifibilling"] dst-port=$wbCoaPort src-address=$wbServer

# --- 6. The hotspot, on a bridge of its own. ---
:if ([:len $wbHotspot] > 0) do={
  :set wbStep "making the hotspot"
  :if ([:len [/interface bridge find where name="wifibilling-hotspot"]] = 0) do={
    /interface bridge add name="wifibilling-hotspot" comment="wifibilling"
  }
  :foreach wbPort in=[:toarray $wbHotspot] do={
    /interface bridge port remove [find where interface=$wbPort and bridge!="wifibilling-hotspot"]
    :if ([:len [/interface bridge port find where interface=$wbPort]] = 0) do={
      /interface bridge port add interface=$wbPort bridge="wifibilling-hotspot" comment="wifibilling"
    }
  }
  :if ([:len [/ip address find where interface="wifibilling-hotspot"]] = 0) do={
    /ip address add interface="wifibilling-hotspot" comment="wifibilling" address=$wbGateway
  }
  /ip address set [find where interface="wifibilling-hotspot"] address=$wbGateway
  :if ([:len [/ip pool find where name="wifibilling-hotspot"]] = 0) do={
    /ip pool add name="wifibilling-hotspot" ranges=$wbRange
  }
  /ip pool set [find where name="wifibilling-hotspot"] ranges=$wbRange
  :if ([:len [/ip dhcp-server network find where comment="wifibilling"]] = 0) do={
    /ip dhcp-server network add comment="wifibilling" address=$wbNetwork
  }
  /ip dhcp-server network set [find where comment="wifibilling"] address=$wbNetwork gateway=$wbGatewayIp dns-server=$wbGatewayIp
  :if ([:len [/ip dhcp-server find where name="wifibilling-hotspot"]] = 0) do={
    /ip dhcp-server add name="wifibilling-hotspot" interface="wifibilling-hotspot" address-pool="wifibilling-hotspot"
  }
  /ip dhcp-server set [find where name="wifibilling-hotspot"] lease-time=1h disabled=no
  :if ([:len [/ip hotspot profile find where name="wifibilling"]] = 0) do={ /ip hotspot profile add name="wifibilling" }
  /ip hotspot profile set [find where name="wifibilling"] hotspot-address=$wbGatewayIp dns-name=$wbDnsName
  :if ([:len [/ip hotspot find where name="wifibilling"]] = 0) do={
    /ip hotspot add name="wifibilling" interface="wifibilling-hotspot" address-pool="wifibilling-hotspot" profile="wifibilling"
  }
  /ip hotspot set [find where name="wifibilling"] addresses-per-mac=2 disabled=no
  # Fasttracked connections pass by the queues: a customer's speed would not hold.
  :foreach wbChain in={"src-address"; "dst-address"} do={
    :local wbMark ("wifibilling " . $wbChain)
    :if ([:len [/ip firewall filter find where comment=$wbMark]] = 0) do={
      :local wbRules [/ip firewall filter find where chain="forward" and dynamic=no]
      :local wbAdd [:parse ("/ip firewall filter add chain=forward action=accept connection-state=established,related " . \
        $wbChain . "=" . $wbNetwork . " comment=\"" . $wbMark . "\"")]
      $wbAdd
      :if ([:len $wbRules] > 0) do={
        /ip firewall filter move [find where comment=$wbMark] destination=[:pick $wbRules 0]
      }
    }
  }
}

# --- 7. PPPoE. ---
:if ([:len $wbPppoe] > 0) do={
  :set wbStep "making the PPPoE server"
  :if ([:len [/ip pool find where name="wifibilling-pppoe"]] = 0) do={
    /ip pool add name="wifibilling-pppoe" ranges=$wbPppoeRange
  }
  :if ([:len [/ppp profile find where name="wifibilling"]] = 0) do={ /ppp profile add name="wifibilling" }
  /ppp profile set [find where name="wifibilling"] local-address=$wbPppoeGateway remote-address="wifibilling-pppoe" \
    dns-server=$wbPppoeDns change-tcp-mss=yes
  :foreach wbPort in=[:toarray $wbPppoe] do={
    :if ([:len [/interface pppoe-server server find where interface=$wbPort and service-name="wifibilling"]] = 0) do={
      /interface pppoe-server server add service-name="wifibilling" interface=$wbPort default-profile="wifibilling"
    }
  }
  /interface pppoe-server server set [find where service-name="wifibilling"] authentication=pap,chap,mschap2 \
    one-session-per-host=yes disabled=no
  /ppp aaa set use-radius=yes accounting=yes interim-update=5m
}
:local wbInsides [:toarray ""]
:if ([:len $wbHotspot] > 0) do={ :set wbInsides ($wbInsides, $wbNetwork) }
:if ([:len $wbPppoe] > 0) do={ :set wbInsides ($wbInsides, $wbPppoeNetwork) }
:foreach wbInside in=$wbInsides do={
  :if ([:len [/ip firewall nat find where comment="wifibilling" and src-address=$wbInside]] = 0) do={
    /ip firewall nat add chain=srcnat action=masquerade comment="wifibilling" src-address=$wbInside out-interface=$wbUplink
  }
}
/ip firewall nat set [find where comment="wifibilling"] out-interface=$wbUplink

# --- 8. What customers reach before they log in. ---
:set wbStep "setting the walled garden"
/ip hotspot walled-garden remove [find where comment="wifibilling"]
/ip hotspot walled-garden ip remove [find where comment="wifibilling"]
:foreach wbHost in=$wbGarden do={
  /ip hotspot walled-garden add action=allow dst-host=$wbHost comment="wifibilling"
  :if ([:pick $wbHost 0 1] != "*") do={
    /ip hotspot walled-garden ip add action=accept dst-host=$wbHost comment="wifibilling"
  }
}

# --- 9. The pages, then the profile that shows them: customers never meet a half of them. ---
:set wbStep "fetching the pages"
:local wbProfiles [/ip hotspot profile find where name="wifibilling"]
:if ($wbKeep = true) do={
  :set wbProfiles [:toarray ""]
  :foreach wbServer in=[/ip hotspot find] do={
    :local wbName [/ip hotspot get $wbServer profile]
    :set wbProfiles ($wbProfiles, [/ip hotspot profile find where name=$wbName])
  }
}
:if ([:len $wbProfiles] > 0) do={
  :do {
    :local wbMake [:parse ("/file add type=directory name=" . $wbFolder)]
    $wbMake
  } on-error={ :set wbStep "fetching the pages" }
  :foreach wbPage in=$wbPages do={
    /tool fetch url=($wbUrl . "/page") http-method=post http-data=($wbToken . " " . $wbPage) check-certificate=$wbCheck \
      dst-path=($wbFolder . "/" . $wbPage)
  }
  :foreach wbProfile in=$wbProfiles do={
    /ip hotspot profile set $wbProfile use-radius=yes radius-accounting=yes radius-interim-update=received \
      login-by=mac,http-chap mac-auth-mode=mac-as-username-and-password html-directory=$wbFolder
  }
}

# --- 10. Phones learn where to ask what they have left (RFC 8910), once the profile has a certificate for its own name. ---
:if ([:len $wbHotspot] > 0) do={
  :set wbStep "telling phones where to ask"
  :local wbOurs [/ip hotspot profile find where name="wifibilling"]
  :local wbCertificate [/ip hotspot profile get $wbOurs ssl-certificate]
  :if (([:len $wbCertificate] > 0) && ($wbCertificate != "none")) do={
    :local wbAsk ("'https://" . $wbDnsName . "/api.json'")
    :if ([:len [/ip dhcp-server option find where name="wifibilling-captive"]] = 0) do={
      /ip dhcp-server option add name="wifibilling-captive" code=114 value=$wbAsk
    }
    /ip dhcp-server option set [find where name="wifibilling-captive"] value=$wbAsk
    /ip dhcp-server network set [find where comment="wifibilling"] dhcp-option="wifibilling-captive"
    /ip hotspot profile set $wbOurs login-by=mac,https,http-chap
  }
}

# --- 11. Who has paid and closed the page is fetched. Without it they come in by the next page that they open. ---
:if (([:len $wbProfiles] > 0) && ($wbWaiting != "")) do={
  :set wbStep "letting in who has paid"
  :do {
    :if ([:len [/system script find where name="wifibilling-waiting"]] = 0) do={
      /system script add name="wifibilling-waiting" comment="wifibilling" dont-require-permissions=no source=$wbWaiting
    }
    /system script set [find where name="wifibilling-waiting"] source=$wbWaiting
    :if ([:len [/system scheduler find where name="wifibilling-waiting"]] = 0) do={
      /system scheduler add name="wifibilling-waiting" comment="wifibilling" interval=15s on-event="wifibilling-waiting"
    }
  } on-error={ :put "This router's device mode allows no schedules: who closes the page after paying must open it again." }
}

:set wbStep "telling the server that it is done"
/tool fetch url=($wbUrl . "/done") http-method=post http-data=($wbToken . " " . [/system resource get version]) \
  check-certificate=$wbCheck output=none
:put "wifibilling: this router is set up. Prove it on the server:"
:put ("  wifibilling routers test " . $wbName)
:put "To take everything back: /system script run wifibilling-undo"
