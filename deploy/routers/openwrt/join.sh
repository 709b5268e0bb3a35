# Joins an OpenWrt router with CoovaChilli. What billing/joining/openwrt.py writes before it are the values; nothing else
# differs from router to router. What it makes is named wifibilling; a second run sets it again. Undo:
# sh /root/wifibilling-undo.sh

stop() {
    echo "wifibilling: stopped while $step: $1" >&2
    exit 1
}
tell() { # tell PATH WORD: what the server answers
    wget -q -O - --post-data="$token $2" "$url/$1"
}

step="checking the router"
[ -f /etc/openwrt_release ] || stop "this is no OpenWrt; nothing was changed"
ip link show dev "$hotspot" >/dev/null 2>&1 || stop "there is no interface $hotspot; nothing was changed"

step="installing CoovaChilli"
if ! [ -x /etc/init.d/chilli ]; then
    opkg update >/dev/null && opkg install coova-chilli >/dev/null || stop "opkg cannot install coova-chilli"
fi
if [ -n "$address" ] && ! command -v wg >/dev/null; then
    opkg install wireguard-tools kmod-wireguard >/dev/null || stop "opkg cannot install wireguard-tools"
fi

step="saving a backup"
if ! [ -f /root/wifibilling-undo.sh ]; then
    sysupgrade -b /root/wifibilling-before.tar.gz >/dev/null || stop "no backup, so nothing was changed"
    cp /etc/config/chilli /root/wifibilling-chilli-before 2>/dev/null || : >/root/wifibilling-chilli-before
    cat >/root/wifibilling-undo.sh <<'UNDO'
cp /root/wifibilling-chilli-before /etc/config/chilli
for section in network.wifibilling network.wifibilling_hub firewall.wifibilling firewall.wifibilling_coa; do
    uci -q delete "$section"
done
uci commit network
uci commit firewall
/etc/init.d/network reload
/etc/init.d/firewall reload
/etc/init.d/chilli restart
rm -f /etc/wifibilling.key /root/wifibilling-undo.sh
UNDO
fi

step="setting the clock"
uci set system.ntp.enabled=1
uci commit system
/etc/init.d/sysntpd restart

if [ -n "$address" ]; then
    step="opening the tunnel"
    [ -s /etc/wifibilling.key ] || (umask 077 && wg genkey >/etc/wifibilling.key) || stop "no key"
    uci -q delete network.wifibilling_hub
    uci set network.wifibilling=interface
    uci set network.wifibilling.proto=wireguard
    uci set network.wifibilling.private_key="$(cat /etc/wifibilling.key)"
    uci -q delete network.wifibilling.addresses
    uci add_list network.wifibilling.addresses="$address"
    uci set network.wifibilling_hub=wireguard_wifibilling
    uci set network.wifibilling_hub.public_key="$hub_key"
    uci set network.wifibilling_hub.endpoint_host="$hub_host"
    uci set network.wifibilling_hub.endpoint_port="$hub_port"
    uci add_list network.wifibilling_hub.allowed_ips="$server/32"
    uci set network.wifibilling_hub.route_allowed_ips=1
    uci set network.wifibilling_hub.persistent_keepalive=25
    uci commit network
    /etc/init.d/network reload
    step="telling the server this router's key"
    tell key "$(wg pubkey </etc/wifibilling.key)" >/dev/null || stop "the server does not answer"
fi

step="letting Disconnects in"
uci -q delete firewall.wifibilling
if [ -n "$address" ]; then
    uci set firewall.wifibilling=zone
    uci set firewall.wifibilling.name=wifibilling
    uci add_list firewall.wifibilling.network=wifibilling
    uci set firewall.wifibilling.input=REJECT
    uci set firewall.wifibilling.output=ACCEPT
    uci set firewall.wifibilling.forward=REJECT
fi
uci set firewall.wifibilling_coa=rule
uci set firewall.wifibilling_coa.name=wifibilling-coa
uci set firewall.wifibilling_coa.src="$zone"
uci -q delete firewall.wifibilling_coa.src_ip
for from in $coa_from; do uci add_list firewall.wifibilling_coa.src_ip="$from"; done
uci set firewall.wifibilling_coa.proto=udp
uci set firewall.wifibilling_coa.dest_port="$coa_port"
uci set firewall.wifibilling_coa.target=ACCEPT
uci commit firewall
/etc/init.d/firewall reload

step="setting CoovaChilli"
uci -q delete chilli.@chilli[0]
uci -q delete chilli.wifibilling
uci set chilli.wifibilling=chilli
uci set chilli.wifibilling.disabled=0
uci set chilli.wifibilling.dhcpif="$hotspot"
uci set chilli.wifibilling.tundev=tun0
uci set chilli.wifibilling.net="$network"
uci set chilli.wifibilling.uamlisten="$gateway"
uci set chilli.wifibilling.uamport=3990
uci set chilli.wifibilling.dns1="$gateway"
uci set chilli.wifibilling.uamserver="$portal/w/$name"
uci set chilli.wifibilling.uamsecret="$uam_secret"
uci set chilli.wifibilling.uamallowed="$garden"
uci set chilli.wifibilling.uamdomain="$domains"
uci set chilli.wifibilling.radiusserver1="$server"
uci set chilli.wifibilling.radiusserver2="$second"
uci set chilli.wifibilling.radiusauthport="$auth_port"
uci set chilli.wifibilling.radiusacctport="$acct_port"
uci set chilli.wifibilling.radiussecret="$secret"
uci set chilli.wifibilling.radiusnasid="$name"
uci set chilli.wifibilling.radiustimeout=3
uci set chilli.wifibilling.radiusretry=3
uci set chilli.wifibilling.definteriminterval=300
uci set chilli.wifibilling.acctupdate=1
uci set chilli.wifibilling.coaport="$coa_port"
# CoovaChilli takes Disconnects from its two servers only; where they come from elsewhere the firewall above says from whom.
[ "$coa_from" = "$server" ] || uci set chilli.wifibilling.coanoipcheck=1
uci set chilli.wifibilling.macauth=1
uci commit chilli
/etc/init.d/chilli enable
/etc/init.d/chilli restart || stop "CoovaChilli does not start: logread says why"

step="telling the server that it is done"
tell done done >/dev/null || stop "the server does not answer"
echo "wifibilling: this router is set up. Prove it on the server:"
echo "  wifibilling routers test $name"
echo "To take everything back: sh /root/wifibilling-undo.sh"
