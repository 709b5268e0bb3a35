"""Every text of the pages, in English and Swahili: what happened, then what to do.

`note` is for a native reader who checks the Swahili, which is that spoken in Kenya. Names in braces are put in. M-Pesa
calls its receipt number "code" in messages ("TKP1234567 Confirmed"); so do we.
"""

from typing import NamedTuple

from radius.domain.nas import Language


class Text(NamedTuple):
    """One text in both languages. `note`: what a translator needs to know."""

    english: str
    swahili: str
    note: str


TEXTS: dict[str, Text] = {
    # -- every page ------------------------------------------------------------------------------------------------
    "other_language": Text("Kiswahili", "English", "The button that changes to the other language, in that language."),
    "help": Text("Help: {support}", "Msaada: {support}", "Foot of each page; a phone number follows."),
    "back": Text("Back to packages", "Rudi kwenye vifurushi", "Link to the first page."),
    "skip": Text("Go to the main part", "Nenda sehemu kuu", "For screen readers and keyboards."),
    # -- the first page --------------------------------------------------------------------------------------------
    "choose": Text("Choose a package", "Chagua kifurushi", "'kifurushi' as in mobile data adverts."),
    "none_on_sale": Text(
        "Nothing is on sale here just now. Please talk to the staff.",
        "Hakuna kifurushi kinachouzwa hapa kwa sasa. Tafadhali ongea na mhudumu.",
        "No package is offered at this place.",
    ),
    "phone": Text("M-Pesa phone number", "Namba ya simu ya M-Pesa", "Label of the field."),
    "phone_hint": Text("For example 0712 345 678", "Kwa mfano 0712 345 678", "Below the field."),
    "pay": Text("Pay with M-Pesa", "Lipa kwa M-Pesa", "Button."),
    "have_voucher": Text("I have a voucher", "Nina vocha", "Opens the field for a code from a printed card."),
    "voucher_code": Text("Code on the voucher", "Namba iliyo kwenye vocha", "Label of the field."),
    "use_voucher": Text("Use the voucher", "Tumia vocha", "Button."),
    "paid_before": Text(
        "I paid and I am not online", "Nililipa lakini siko mtandaoni", "Opens help for who paid, or has another phone."
    ),
    "mpesa_code": Text("M-Pesa code", "Namba ya M-Pesa (code)", "The ten characters in M-Pesa's message."),
    "mpesa_code_hint": Text(
        "It is in the message from M-Pesa, for example TKP1A2B3C4.",
        "Iko kwenye ujumbe wa M-Pesa, kwa mfano TKP1A2B3C4.",
        "Below the field.",
    ),
    "use_code": Text("Use it on this phone", "Tumia kwenye simu hii", "Button: what was bought moves to this phone."),
    "or_by_phone": Text(
        "No message? Sign in with your phone number.",
        "Huna ujumbe? Ingia kwa namba yako ya simu.",
        "Link to the sign-in by a code in a text message.",
    ),
    "my_usage": Text("My usage", "Matumizi yangu", "Link: what is left."),
    # -- what one gets ---------------------------------------------------------------------------------------------
    "minutes": Text("{count} minutes", "dakika {count}", "A length of time."),
    "hour": Text("1 hour", "saa 1", "A length of time."),
    "hours": Text("{count} hours", "saa {count}", "A length of time."),
    "day": Text("1 day", "siku 1", "A length of time."),
    "days": Text("{count} days", "siku {count}", "A length of time."),
    "week": Text("1 week", "wiki 1", "A length of time."),
    "weeks": Text("{count} weeks", "wiki {count}", "A length of time."),
    "month": Text("1 month", "mwezi 1", "A length of time."),
    "months": Text("{count} months", "miezi {count}", "A length of time."),
    "from_first": Text("from the first use", "tangu kuanza kutumia", "The time begins at the first log-in."),
    "unlimited": Text("unlimited data", "data bila kikomo", "No limit of megabytes."),
    "data": Text("{size} of data", "data {size}", "For example '500 MB of data'."),
    "use_time": Text("{length} of use", "{length} za kutumia", "Minutes online are counted, not the clock."),
    "per_d": Text("each day", "kila siku", "The data comes anew each day."),
    "per_w": Text("each week", "kila wiki", "The data comes anew each week."),
    "per_m": Text("each month", "kila mwezi", "The data comes anew each month."),
    "speed": Text("up to {speed}", "hadi {speed}", "For example 'up to 5 Mbps'."),
    "devices": Text("{count} devices at once", "vifaa {count} kwa pamoja", "More than one device at the same time."),
    "today": Text(
        "today {time}", "leo {time}", "A time of day by the clock on the phone (24 hours), not Swahili hours."
    ),
    "tomorrow": Text("tomorrow {time}", "kesho {time}", "As above."),
    # -- paying ----------------------------------------------------------------------------------------------------
    "look_at_phone": Text(
        "Look at your phone", "Angalia simu yako", "Heading: M-Pesa's window is about to open on the paying phone."
    ),
    "enter_pin": Text(
        "M-Pesa asks for your PIN to pay {amount}. Enter it, then come back here.",
        "M-Pesa itakuomba PIN ulipe {amount}. Weka PIN, kisha rudi hapa.",
        "What to do with the prompt.",
    ),
    "one_prompt": Text(
        "The question stays for about a minute. We ask only once: you cannot pay twice.",
        "Ombi hili hukaa kama dakika moja. Tunaomba mara moja tu: huwezi kulipa mara mbili.",
        "So that nobody presses pay again.",
    ),
    "page_may_close": Text(
        "If this page closes, you still get in: your package waits for this phone.",
        "Ukurasa huu ukijifunga, bado utaingia: kifurushi chako kitaisubiri simu hii.",
        "Phones close the page when M-Pesa's window opens.",
    ),
    "nothing_came": Text("Nothing on your phone?", "Hakuna kitu kwenye simu?", "Opens more help."),
    "nothing_came_1": Text(
        "Wake the screen, and close other calls or menus.",
        "Washa skrini, na ufunge simu au menyu nyingine.",
        "First thing to try when no prompt appears.",
    ),
    "nothing_came_2": Text(
        "Update M-Pesa: dial *234*1*6#, then try again when this page says so.",
        "Sasisha M-Pesa: piga *234*1*6#, kisha ujaribu tena ukurasa huu ukikuambia.",
        "Safaricom's code that updates the SIM's M-Pesa menu.",
    ),
    "i_have_paid": Text("I have paid", "Nimelipa", "Opens the field for M-Pesa's code."),
    "check_code": Text("Check", "Angalia", "Button."),
    "code_noted": Text(
        "Thank you. M-Pesa has not told us yet; this page goes on by itself when it does.",
        "Asante. M-Pesa bado haijatuambia; ukurasa huu utaendelea wenyewe ikituambia.",
        "After a code that is not known to us yet.",
    ),
    "code_not_looked": Text(
        "That is no M-Pesa code: it has ten letters and digits. Look at the message again.",
        "Hiyo si namba ya M-Pesa: huwa na herufi na tarakimu kumi. Angalia ujumbe tena.",
        "What was typed cannot be a code.",
    ),
    "code_other": Text(
        "That code paid for something else. Look for the newest message from M-Pesa.",
        "Namba hiyo ililipia kitu kingine. Tafuta ujumbe mpya zaidi wa M-Pesa.",
        "The code belongs to another purchase.",
    ),
    "waiting_long": Text(
        "Money was taken and nothing happens? Show M-Pesa's message to the staff.",
        "Pesa zimekatwa na hakuna kinachotokea? Mwonyeshe mhudumu ujumbe wa M-Pesa.",
        "Last resort.",
    ),
    "look_again": Text("Look again", "Angalia tena", "Link that loads the page anew, for phones without scripts."),
    # -- how it went -----------------------------------------------------------------------------------------------
    "not_paid": Text("Not paid", "Hujalipa", "Heading."),
    "why_cancelled": Text(
        "You cancelled on your phone. No money was taken.",
        "Umeghairi kwenye simu. Hakuna pesa zilizokatwa.",
        "The customer pressed cancel.",
    ),
    "why_no_answer": Text(
        "Your phone did not answer. Check that it is on and has network, then try again.",
        "Simu yako haikujibu. Hakikisha imewashwa na ina mtandao, kisha ujaribu tena.",
        "M-Pesa could not reach the phone.",
    ),
    "why_no_money": Text(
        "There is not enough money in M-Pesa. Top up, or choose a smaller package.",
        "Salio la M-Pesa halitoshi. Ongeza pesa, au chagua kifurushi kidogo.",
        "The balance is too low.",
    ),
    "why_wrong_pin": Text(
        "The PIN was wrong. No money was taken. Try again with the right PIN.",
        "PIN haikuwa sahihi. Hakuna pesa zilizokatwa. Jaribu tena kwa PIN sahihi.",
        "Wrong M-Pesa PIN.",
    ),
    "why_limit": Text(
        "M-Pesa does not allow this amount now. Try another phone or a smaller package.",
        "M-Pesa haikubali kiasi hiki sasa. Jaribu simu nyingine au kifurushi kidogo.",
        "A limit of M-Pesa's (per day, per payment).",
    ),
    "why_expired": Text(
        "The question on your phone ran out before it was answered. Try again.",
        "Muda wa ombi kwenye simu uliisha kabla ya kujibiwa. Jaribu tena.",
        "Nobody typed the PIN in time.",
    ),
    "why_other": Text(
        "M-Pesa did not complete the payment. Try again.",
        "M-Pesa haikukamilisha malipo. Jaribu tena.",
        "Any other reason.",
    ),
    "late_money": Text(
        "If money is taken after all, you get the package by itself.",
        "Pesa zikikatwa baadaye, utapata kifurushi bila kufanya lolote.",
        "A payment can still succeed after we were told that it failed.",
    ),
    "try_again": Text("Try again", "Jaribu tena", "Button back to the packages."),
    "in_review": Text("We are looking at it", "Tunaliangalia", "Heading: money came that does not fit."),
    "in_review_text": Text(
        "Your money has arrived, but not the amount that was asked for. The staff will call you or give it back.",
        "Pesa zako zimefika, lakini si kiasi kilichoombwa. Mhudumu atakupigia au atakurudishia.",
        "The amount differs.",
    ),
    # -- getting in ------------------------------------------------------------------------------------------------
    "paid": Text("Paid. Thank you!", "Umelipa. Asante!", "Heading after a payment."),
    "connecting": Text("Connecting you", "Tunakuunganisha", "Heading while the phone logs in."),
    "connecting_text": Text(
        "This takes a few seconds.", "Hii itachukua sekunde chache.", "The phone logs in to the router by itself."
    ),
    "connect": Text("Go online now", "Ingia mtandaoni sasa", "Button, also for phones without scripts."),
    "open_login": Text(
        "Your package is ready. Turn WiFi off and on again, and you are connected without typing anything.",
        "Kifurushi chako kiko tayari. Zima WiFi na uiwashe tena, utaunganishwa bila kuandika chochote.",
        "Where this page does not know the router any more.",
    ),
    "online": Text("You are online", "Uko mtandaoni", "Heading."),
    "online_text": Text("You can close this page.", "Unaweza kufunga ukurasa huu.", "Below the heading."),
    "log_out": Text("Log out", "Toka mtandaoni", "Button: stop using the time or data now."),
    "buy_more": Text("Buy more", "Nunua zaidi", "Link to the packages."),
    "until": Text("Until {end}", "Hadi {end}", "When the package ends; a time or a date follows."),
    "left_data": Text("{size} left", "Zimebaki {size}", "Data that is left."),
    "left_time": Text("{length} of use left", "Zimebaki {length} za kutumia", "Time that is left."),
    "not_begun": Text("Begins with the first use", "Huanza ukianza kutumia", "A package that was not used yet."),
    # -- why not ---------------------------------------------------------------------------------------------------
    "refused": Text(
        "The WiFi did not let you in. Try again; if it stays so, talk to the staff.",
        "WiFi haikukuruhusu kuingia. Jaribu tena; ikiendelea, ongea na mhudumu.",
        "The router refused the log-in, and nobody knows why.",
    ),
    "your_voucher": Text("Your voucher", "Vocha yako", "Heading: a voucher's QR code was scanned before the log-in."),
    "your_voucher_text": Text(
        "Join the WiFi first. Then open 'I have a voucher' on its log-in page and type the code that is printed.",
        "Ungana na WiFi kwanza. Kisha fungua 'Nina vocha' kwenye ukurasa wa kuingia, uandike namba iliyochapishwa.",
        "Names the same words as the button on the first page.",
    ),
    "not_on_wifi": Text("Connect to the WiFi first", "Ungana na WiFi kwanza", "Heading: opened from elsewhere."),
    "not_on_wifi_text": Text(
        "This page does not know your phone. Join the WiFi, and open the log-in page that appears. If none does, go to "
        "neverssl.com.",
        "Ukurasa huu haujui simu yako. Ungana na WiFi, kisha fungua ukurasa wa kuingia unaotokea. Usipotokea, nenda "
        "neverssl.com.",
        "neverssl.com is a page that every router can redirect.",
    ),
    "problem": Text("Something went wrong", "Kuna hitilafu", "Heading of an error page."),
    "p_invalid": Text(
        "Something that was sent cannot be used. Go back and try again.",
        "Kitu kilichotumwa hakiwezi kutumika. Rudi ujaribu tena.",
        "A form that does not fit.",
    ),
    "p_phone": Text(
        "That is no mobile number. Write it like 0712 345 678.",
        "Hiyo si namba ya simu. Iandike kama 0712 345 678.",
        "Beside the field.",
    ),
    "p_package": Text("Choose one of the packages.", "Chagua kimoja cha vifurushi.", "None was chosen."),
    "p_code": Text(
        "That is no voucher code. Type the digits as they are on the card.",
        "Hiyo si namba ya vocha. Andika tarakimu kama zilivyo kwenye kadi.",
        "Beside the field.",
    ),
    "p_not_found": Text(
        "There is nothing at this address.", "Hakuna kitu kwenye anwani hii.", "A page that does not exist."
    ),
    "p_no_site": Text(
        "This WiFi is not known here. Please talk to the staff.",
        "WiFi hii haijulikani hapa. Tafadhali ongea na mhudumu.",
        "The router is not registered: the operator's fault.",
    ),
    "p_not_sold": Text(
        "That package is not sold any more. Choose another one.",
        "Kifurushi hicho hakiuzwi tena. Chagua kingine.",
        "The page was open for long.",
    ),
    "p_no_payment": Text(
        "There is no such payment. Begin a new one.", "Hakuna malipo kama hayo. Anza upya.", "An old or wrong address."
    ),
    "p_no_code": Text(
        "We do not know that code. Look at it and type it once more.",
        "Hatuijui namba hiyo. Iangalie na uiandike tena.",
        "A voucher's or an M-Pesa code that is not there; must not say more.",
    ),
    "p_code_over": Text(
        "That voucher is used or too old. Ask the seller for another one.",
        "Vocha hiyo imetumika au muda wake umeisha. Mwombe muuzaji nyingine.",
        "A voucher that does not work any more.",
    ),
    "p_blocked": Text(
        "This device cannot buy. Please talk to the staff.",
        "Kifaa hiki hakiwezi kununua. Tafadhali ongea na mhudumu.",
        "Blocked by staff on purpose.",
    ),
    "p_phone_busy": Text(
        "That phone has an M-Pesa question open. Answer it, or wait a minute and try again.",
        "Simu hiyo ina ombi la M-Pesa lililo wazi. Lijibu, au subiri dakika moja ujaribu tena.",
        "Somebody asked that phone to pay a moment ago.",
    ),
    "p_key_reused": Text(
        "This page was used already. Choose again.", "Ukurasa huu umeshatumika. Chagua tena.", "Browser's back button."
    ),
    "p_not_sent": Text(
        "M-Pesa does not answer just now. No money was taken. Try again in a few minutes.",
        "M-Pesa haijibu kwa sasa. Hakuna pesa zilizokatwa. Jaribu tena baada ya dakika chache.",
        "The request to M-Pesa failed.",
    ),
    "p_too_many": Text(
        "Too many tries. Wait {wait} and try again.",
        "Umejaribu mara nyingi. Subiri {wait} ujaribu tena.",
        "A length of time is put in.",
    ),
    "p_away": Text(
        "We cannot do that just now. Try again in a moment; you will not pay twice.",
        "Hatuwezi kwa sasa. Jaribu tena baada ya muda mfupi; hutalipa mara mbili.",
        "Our own fault, short.",
    ),
    "p_fault": Text(
        "Something broke on our side. Try again, and tell the staff if it stays so.",
        "Kuna kitu kimeharibika upande wetu. Jaribu tena, na umwambie mhudumu ikiendelea.",
        "Our own fault.",
    ),
    # -- when M-Pesa fails, and what operators tell ----------------------------------------------------------------
    "mpesa_down": Text(
        "M-Pesa has trouble just now. You can still use a voucher.",
        "M-Pesa ina hitilafu kwa sasa. Bado unaweza kutumia vocha.",
        "By our own measurements; shown above the packages.",
    ),
    "sellers": Text("Vouchers are sold by: {sellers}", "Vocha zinauzwa na: {sellers}", "Names and places."),
    "by_hand": Text(
        "Or pay to till {till} and show the message to the staff.",
        "Au lipa kwa till {till} na umwonyeshe mhudumu ujumbe.",
        "'Lipa na M-Pesa, Buy Goods'.",
    ),
    "investigating": Text("We are looking into a fault", "Tunachunguza hitilafu", "State of a fault."),
    "identified": Text("We know the fault and are mending it", "Tumeijua hitilafu, tunarekebisha", "State of a fault."),
    "resolved": Text("The fault is mended", "Hitilafu imerekebishwa", "State of a fault."),
    "planned": Text("Planned work", "Matengenezo yaliyopangwa", "Work on the network that was announced."),
    "status": Text("Status of the network", "Hali ya mtandao", "Heading of the public page."),
    "all_well": Text("Everything works.", "Kila kitu kinafanya kazi.", "No fault is known."),
    "everywhere": Text("Everywhere", "Kila mahali", "Of a fault at all sites."),
    "written": Text("Written {at}.", "Imeandikwa {at}.", "When this page was made."),
    # -- sign-in and my usage --------------------------------------------------------------------------------------
    "sign_in": Text("Sign in", "Ingia", "Heading."),
    "sign_in_text": Text(
        "We send a code to your phone. It costs you nothing.",
        "Tutatuma namba kwenye simu yako. Haikugharimu chochote.",
        "A text message with six digits.",
    ),
    "phone_number": Text("Phone number", "Namba ya simu", "Label of the field."),
    "send_code": Text("Send the code", "Nitumie namba", "Button."),
    "code_sent": Text(
        "If that number can get messages, a code is on its way. It is good for a few minutes.",
        "Kama namba hiyo inapokea ujumbe, namba ya siri inakuja. Inafanya kazi kwa dakika chache.",
        "Must not say whether the number is known.",
    ),
    "sms_code": Text("Code from the message", "Namba iliyo kwenye ujumbe", "Label: six digits."),
    "enter": Text("Go on", "Endelea", "Button."),
    "wrong_code": Text(
        "That code is not right. Look at the newest message, or ask for a new code.",
        "Namba hiyo si sahihi. Angalia ujumbe mpya zaidi, au omba namba mpya.",
        "Wrong or too old: must not say which.",
    ),
    "no_sms": Text(
        "Sign-in is not set up here. Please talk to the staff.",
        "Huduma ya kuingia haijawekwa hapa. Tafadhali ongea na mhudumu.",
        "The operator has no text messages.",
    ),
    "sign_out": Text("Sign out", "Ondoka", "Button: leave 'my usage'; the internet goes on."),
    "packages_mine": Text("My packages", "Vifurushi vyangu", "Heading."),
    "nothing_mine": Text("You have no package now.", "Huna kifurushi kwa sasa.", "Nothing is live."),
    "try_it": Text("Try for free: {name}", "Jaribu bure: {name}", "Button: a package that costs nothing, once."),
    "trial_over": Text(
        "This is free once only, and a few times a day at each place. Choose a package, or ask the staff.",
        "Hii ni bure mara moja tu, na mara chache kwa siku kila mahali. Chagua kifurushi, au muulize mhudumu.",
        "A trial that was refused: had before, or all of today's are given.",
    ),
    "devices_mine": Text("My devices", "Vifaa vyangu", "Heading: phones, televisions."),
    "this_device": Text("this device", "kifaa hiki", "Beside a device in the list."),
    "is_online": Text("online", "iko mtandaoni", "Beside a device in the list."),
    "remove": Text("Remove", "Ondoa", "Button: this device no longer belongs to me."),
    "notices_stop": Text(
        "No more messages about outages and works",
        "Nisitumiwe ujumbe wa hitilafu na matengenezo",
        "Button: codes and receipts are sent all the same.",
    ),
    "notices_start": Text(
        "Send me messages about outages and works",
        "Nitumie ujumbe wa hitilafu na matengenezo",
        "Button: undoes the one above.",
    ),
    "notices_off": Text(
        "You get no more messages about outages and works.",
        "Hutatumiwa tena ujumbe wa hitilafu na matengenezo.",
        "Said after it was done.",
    ),
    "notices_on": Text(
        "You get messages about outages and works.",
        "Utatumiwa ujumbe wa hitilafu na matengenezo.",
        "Said after it was done.",
    ),
    "removed": Text("The device was removed.", "Kifaa kimeondolewa.", "Said after it was done."),
    "use_here": Text("Use on this device instead", "Tumia kwenye kifaa hiki badala yake", "Button: moves the package."),
    "too_many_moves": Text(
        "You changed devices {count} times this week. Wait until next week, or talk to the staff.",
        "Umebadilisha kifaa mara {count} wiki hii. Subiri wiki ijayo, au ongea na mhudumu.",
        "A limit, so that one package does not go round.",
    ),
    "anothers": Text(
        "This device is another customer's, who has a package on it.",
        "Kifaa hiki ni cha mteja mwingine aliye na kifurushi.",
        "It cannot be taken over.",
    ),
    "add_tv": Text("Add a TV or another device", "Ongeza TV au kifaa kingine", "Opens a field."),
    "tv_mac": Text("Code on its screen", "Namba iliyo kwenye skrini yake", "Label; six digits."),
    "tv_mac_hint": Text(
        "Open the WiFi page on it and choose This is a TV. Or type its WiFi (MAC) address, for example "
        "A4:6C:F1:22:33:44.",
        "Fungua ukurasa wa WiFi kwenye TV na uchague Hii ni TV. Au andika anwani yake ya WiFi (MAC), kwa mfano "
        "A4:6C:F1:22:33:44.",
        "Below the field.",
    ),
    "add": Text("Add", "Ongeza", "Button."),
    "added": Text(
        "The device was added. Turn its WiFi off and on.", "Kifaa kimeongezwa. Zima na uwashe WiFi yake.", "Done."
    ),
    "p_device": Text(
        "No screen shows that code, and it is no address like A4:6C:F1:22:33:44.",
        "Hakuna skrini yenye namba hiyo, wala si anwani kama A4:6C:F1:22:33:44.",
        "Beside the field.",
    ),
    "payments_mine": Text("My payments", "Malipo yangu", "Heading: what was paid lately."),
    "tv_here": Text("This is a TV", "Hii ni TV", "Link, for a device that nobody types on."),
    "screen": Text("Add this TV with a phone", "Ongeza TV hii kwa simu", "Heading on the television."),
    "screen_text": Text(
        "On a phone that is online here, open My usage, then Add a TV, and type:",
        "Kwenye simu iliyo mtandaoni hapa, fungua Matumizi yangu, kisha Ongeza TV, na uandike:",
        "A code of six digits follows, in large.",
    ),
    "screen_then": Text(
        "This screen goes on by itself.", "Skrini hii itaendelea yenyewe.", "Below the code; nothing is to be pressed."
    ),
    "balance": Text("Balance: {amount}", "Salio: {amount}", "Money of the customer that we hold."),
    "account": Text("Account number: {number}", "Namba ya akaunti: {number}", "For paying by hand."),
}


def text(key: str, language: Language, /, **values: object) -> str:
    """A text with its values; KeyError for one that is not there."""
    found = TEXTS[key]
    said = found.swahili if language is Language.SWAHILI else found.english
    return said.format(**values) if values else said
